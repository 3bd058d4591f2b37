import { createHash } from 'node:crypto'
import { JobBudget } from '../job-budget.ts'
import { pathNames } from './path-pattern.ts'
import { sortedInTurns } from './sorted-in-turns.ts'
import type { WantedPath } from './wanted-paths.ts'

/** Files of a job that are wanted, as its machine names them: one after the other is told. */
export class FoundFiles {
  readonly #budget: JobBudget
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

  constructor(wanted: readonly WantedPath[], excluded: readonly WantedPath[], budget: JobBudget = new JobBudget()) {
    this.#budget = budget
    this.#wanted = wanted
    this.#excluded = excluded
    this.found = wanted.map(() => 0)
    this.leftOut = excluded.map(() => 0)
  }

  /**
   * The paths in the order of their bytes, and of these and of what the machine told of them one word: undefined where
   * it could not tell of all of them whether they have changed. The event loop runs meanwhile.
   */
  async inOrder(): Promise<{ readonly paths: readonly string[]; readonly digest: string | undefined }> {
    const paths = await sortedInTurns([...this.#states.keys()])
    const hash = createHash('sha256')
    let isKnown = true
    for (const path of paths) {
      const state = this.#states.get(path)
      if (state === '') isKnown = false
      hash.update(`${path}\0${state}\0`, 'latin1')
      this.#budget.draw('steps', 50, field)
      await this.#budget.rest()
    }
    return { paths, digest: isKnown ? hash.digest('hex') : undefined }
  }

  /**
   * Thrown by each that tells: `JobError` `limit_exceeded`. A path that a pattern may mean; what is below a path that
   * is meant is meant, too. `state`: something that changes with its content; empty: nobody knows.
   */
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
    if (this.#states.has(path)) return
    this.#budget.draw('records', 1, field)
    this.#budget.draw('bytes', path.length + state.length, field)
    this.#states.set(copyOf(path), copyOf(state))
  }

  #isLeftOut(name: string): boolean {
    this.#budget.draw('steps', name.length, field)
    if (this.#excluded.length === 0) return false
    const names = pathNames(name)
    const index = this.#excluded.findIndex(({ pattern }) => pattern.matches(names))
    if (index >= 0) this.leftOut[index]! += 1
    return index >= 0
  }

  #meaning(name: string): readonly boolean[] {
    const slash = name.lastIndexOf('/')
    return this.#meaningBelow(name, slash < 0 ? undefined : this.#meaningAbove(name.slice(0, slash)))
  }

  #meaningBelow(name: string, above: readonly boolean[] | undefined): readonly boolean[] {
    this.#budget.draw('steps', name.length + this.#wanted.length, field)
    const names = pathNames(name)
    return this.#wanted.map(({ pattern }, index) => above?.[index] === true || pattern.matches(names))
  }

  #meaningAbove(parent: string): readonly boolean[] {
    if (this.#parent?.path === parent) return this.#parent.means
    const isBelow = this.#parent !== undefined && parent.startsWith(`${this.#parent.path}/`)
    let means = isBelow ? this.#parent!.means : undefined
    const from = isBelow ? this.#parent!.path.length + 1 : 0
    for (let slash = parent.indexOf('/', from); slash >= 0; slash = parent.indexOf('/', slash + 1))
      means = this.#meaningBelow(parent.slice(0, slash), means)
    means = this.#meaningBelow(parent, means)
    this.#parent = { path: parent, means }
    return means
  }
}

const field = 'files of artifacts and caches'

/** A part of a string keeps the whole of it alive: here all that the machine told at once. */
function copyOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('latin1')
}

/** Names that are no UTF-8 are taken byte by byte. */
function decoded(path: string): string {
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString()
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? path : text
}
