import { createHash } from 'node:crypto'
import type { WantedPath } from './wanted-paths.ts'

/** Files of a job that are wanted, as its machine names them: one after the other is told. */
export class FoundFiles {
  readonly #wanted: readonly WantedPath[]
  readonly #excluded: readonly WantedPath[]
  /** By paths whose characters are bytes, what the machine told of them. */
  readonly #states = new Map<string, string>()
  /** How many each wanted pattern found, and how many each excluding one left out. */
  readonly found: number[]
  readonly leftOut: number[]
  untracked = 0
  /** Of the directory that was asked about last, which patterns mean it or one above it. */
  #parent: { readonly path: string; readonly means: readonly boolean[] } | undefined

  constructor(wanted: readonly WantedPath[], excluded: readonly WantedPath[]) {
    this.#wanted = wanted
    this.#excluded = excluded
    this.found = wanted.map(() => 0)
    this.leftOut = excluded.map(() => 0)
  }

  /** In the order of their bytes. */
  get paths(): readonly string[] {
    return [...this.#states.keys()].sort()
  }

  /** Of the paths, and of what the machine told of them: one word. Undefined where it could not tell of all of them whether they have changed. */
  get digest(): string | undefined {
    const hash = createHash('sha256')
    for (const path of this.paths) {
      const state = this.#states.get(path)
      if (state === '') return undefined
      hash.update(`${path}\0${state}\0`, 'latin1')
    }
    return hash.digest('hex')
  }

  /** A path that a pattern may mean; what is below a path that is meant is meant, too. `state`: something that changes with its content; empty: nobody knows. */
  tell(path: string, state: string): void {
    const name = decoded(path)
    const means = this.#meaning(name)
    if (!means.includes(true) || this.#isLeftOut(name)) return
    for (const [index, isMeant] of means.entries()) if (isMeant) this.found[index]! += 1
    this.#add(path, state)
  }

  /** A path that git does not know. */
  tellUntracked(path: string): void {
    if (this.#isLeftOut(decoded(path))) return
    this.untracked += 1
    this.#add(path, '')
  }

  #add(path: string, state: string): void {
    if (!this.#states.has(path)) this.#states.set(path, state)
  }

  #isLeftOut(name: string): boolean {
    const index = this.#excluded.findIndex(({ pattern }) => pattern.matches(name))
    if (index >= 0) this.leftOut[index]! += 1
    return index >= 0
  }

  #meaning(name: string): readonly boolean[] {
    const slash = name.lastIndexOf('/')
    const above = slash < 0 ? undefined : this.#meaningAbove(name.slice(0, slash))
    return this.#wanted.map(({ pattern }, index) => above?.[index] === true || pattern.matches(name))
  }

  #meaningAbove(parent: string): readonly boolean[] {
    if (this.#parent?.path === parent) return this.#parent.means
    const means = this.#meaning(parent)
    this.#parent = { path: parent, means }
    return means
  }
}

/** Names that are no UTF-8 are taken byte by byte. */
function decoded(path: string): string {
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString()
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? path : text
}
