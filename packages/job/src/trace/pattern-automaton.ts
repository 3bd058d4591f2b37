/** A byte string to look for. */
export interface Pattern {
  readonly bytes: Buffer
  readonly kind: typeof secret | typeof tokenPrefix
}

/** The pattern is masked itself. Bits, since one node can end both. */
export const secret = 1
/** What follows the pattern is masked. */
export const tokenPrefix = 2

const nothing = Buffer.alloc(0)

/**
 * Nodes with a full row of transitions, 1 KiB each: the shallow ones, where nearly all time is spent. More rows are no
 * faster on log text, and every job has its own.
 */
const maxRows = 32

/**
 * An Aho-Corasick automaton over bytes: after each byte its state is the longest end of the text that begins a pattern,
 * so no match is ever missed, whatever overlaps or contains whatever. Nodes are numbered level by level, so that a
 * failure link always leads to a smaller number and the children of a node stand side by side. The first nodes have a
 * complete row of transitions; the others know their children and their failure link, which keeps a pattern of
 * megabytes at about 20 times its size.
 */
export class PatternAutomaton {
  /** Of each state: which kinds of pattern end there, a union of bits; 0 is none. */
  readonly ends: Uint8Array
  readonly #patterns: readonly Pattern[]
  /** Complete transitions of the first nodes: `rows[node * 256 + byte]`. */
  readonly #rows: Int32Array
  readonly #rowCount: number
  /** Of each node: the byte that leads to it. */
  readonly #label: Uint8Array
  /** Of each node: its first child; the last one stands before the first child of the next node. */
  readonly #firstChild: Int32Array
  /** Of each node: the longest proper end of its string that is a node too. */
  readonly #failure: Int32Array
  readonly #depth: Int32Array
  /** Of each node: the index of a pattern that begins with its string. */
  readonly #owner: Int32Array
  /** Of each node: length of the longest secret that its string ends with; 0 is none. */
  readonly #secretLength: Int32Array

  /** `patterns` hold no empty one. */
  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns.toSorted((a, b) => a.bytes.compare(b.bytes))
    const maxNodes = patterns.reduce((sum, { bytes }) => sum + bytes.length, 1)
    this.#label = new Uint8Array(maxNodes)
    this.#firstChild = new Int32Array(maxNodes + 1)
    this.#failure = new Int32Array(maxNodes)
    this.ends = new Uint8Array(maxNodes)
    this.#depth = new Int32Array(maxNodes)
    this.#owner = new Int32Array(maxNodes)
    this.#secretLength = new Int32Array(maxNodes)
    this.#rowCount = Math.min(maxRows, maxNodes)
    this.#rows = new Int32Array(this.#rowCount * 256)
    this.#build(maxNodes)
  }

  /** The state after `byte`. */
  next(state: number, byte: number): number {
    let node = state
    while (node >= this.#rowCount) {
      const end = this.#firstChild[node + 1]!
      for (let child = this.#firstChild[node]!; child < end; child++) if (this.#label[child] === byte) return child
      node = this.#failure[node]!
    }
    return this.#rows[node * 256 + byte]!
  }

  /** Length of the longest secret that ends at `state`; 0 is none. */
  secretLength(state: number): number {
    return this.#secretLength[state]!
  }

  /** The string of `state`: the last bytes of the text, which may be the beginning of a match. Not a copy. */
  text(state: number): Buffer {
    return state === 0 ? nothing : this.#patterns[this.#owner[state]!]!.bytes.subarray(0, this.#depth[state])
  }

  #build(maxNodes: number): void {
    // A node stands for the sorted patterns that agree up to its depth: those from #owner[node] up to, not including,
    // last[node].
    const last = new Int32Array(maxNodes)
    last[0] = this.#patterns.length
    let nodes = 1
    for (let node = 0; node < nodes; node++) {
      const firstChild = nodes
      const depth = this.#depth[node]!
      this.#firstChild[node] = firstChild
      for (let index = this.#owner[node]!; index < last[node]!; index++) {
        const { bytes, kind } = this.#patterns[index]!
        if (bytes.length === depth) continue
        if (nodes === firstChild || this.#label[nodes - 1] !== bytes[depth]) this.#addNode(nodes++, node, index)
        last[nodes - 1] = index + 1
        if (bytes.length === depth + 1) this.#endPattern(nodes - 1, kind)
      }
      if (node < this.#rowCount) this.#fillRow(node, nodes)
    }
    this.#firstChild[nodes] = nodes
  }

  #addNode(node: number, parent: number, owner: number): void {
    const depth = this.#depth[parent]!
    const byte = this.#patterns[owner]!.bytes[depth]!
    const failure = parent === 0 ? 0 : this.next(this.#failure[parent]!, byte)
    this.#label[node] = byte
    this.#failure[node] = failure
    this.ends[node] = this.ends[failure]!
    this.#secretLength[node] = this.#secretLength[failure]!
    this.#depth[node] = depth + 1
    this.#owner[node] = owner
  }

  #endPattern(node: number, kind: Pattern['kind']): void {
    this.ends[node]! |= kind
    if (kind === secret) this.#secretLength[node] = this.#depth[node]!
  }

  #fillRow(node: number, childrenEnd: number): void {
    const failure = this.#failure[node]! * 256
    if (node !== 0) this.#rows.copyWithin(node * 256, failure, failure + 256)
    for (let child = this.#firstChild[node]!; child < childrenEnd; child++)
      this.#rows[node * 256 + this.#label[child]!] = child
  }
}
