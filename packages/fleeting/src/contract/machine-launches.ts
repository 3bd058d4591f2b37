import { launchesOf, type TaggedLaunch, type Tags } from './launch-tags.ts'

/** A machine, with the tags that its group had when it was made. */
export interface TaggedMachine {
  readonly id: string
  readonly tags: Tags
  /** The cloud's time, milliseconds. */
  readonly createdAt: number | undefined
}

/** More than a tag can name, so that a launch whose machines are gone is still known to have had them. */
const launchesKept = 100

/**
 * Tells which launch made a machine. It has the tags that its group had when it was made, so a machine that somebody
 * else asked for after a launch names that launch as well: the oldest ones are the launch's, as many as it asked for.
 * Where launches overlap, machines of the earlier one may name the later one first.
 */
export class MachineLaunches {
  readonly #fleet: string
  /** Ids of each launch's machines, those gone too; the first launch seen first. */
  readonly #made = new Map<string, Set<string>>()
  readonly #tokens = new Map<string, string>()

  constructor(fleet: string) {
    this.#fleet = fleet
  }

  /** All machines of the group. */
  learn(machines: readonly TaggedMachine[]): void {
    for (const { id, tags } of machines.toSorted(byAge)) if (!this.#tokens.has(id)) this.#claim(id, tags)
    this.#forget(new Set(machines.map(({ id }) => id)))
  }

  /**
   * A machine that was asked for and never came, of a group with these tags: it is one of those that a launch still
   * lacks. Without an answer as long as no machine that did come has told its launch: should the cloud not give
   * machines the tags, all are told apart in the same way, by number.
   */
  learnMissing(id: string, tags: Tags): void {
    if (this.#tokens.size > 0) this.#claim(id, tags)
  }

  /**
   * These never came and are not missing any more, for machines came in their place: the launch lacks as many again.
   */
  release(ids: readonly string[]): void {
    for (const id of ids) {
      this.#made.get(this.#tokens.get(id) ?? '')?.delete(id)
      this.#tokens.delete(id)
    }
  }

  /** How many a launch has made, those gone too. */
  madeBy(launchToken: string): number {
    return this.#made.get(launchToken)?.size ?? 0
  }

  /** The token of the launch that made it; undefined for a machine of nobody's. */
  tokenOf(id: string): string | undefined {
    return this.#tokens.get(id)
  }

  #claim(id: string, tags: Tags): void {
    const launch = launchesOf(tags, this.#fleet).open.find((candidate) => this.#hasRoom(candidate))
    if (launch === undefined) return
    const { launchToken } = launch
    this.#made.set(launchToken, (this.#made.get(launchToken) ?? new Set()).add(id))
    this.#tokens.set(id, launchToken)
  }

  #hasRoom({ launchToken, count }: TaggedLaunch): boolean {
    return this.madeBy(launchToken) < count
  }

  #forget(listed: ReadonlySet<string>): void {
    for (const [launchToken, ids] of this.#made) {
      if (this.#made.size <= launchesKept) return
      if ([...ids].some((id) => listed.has(id))) continue
      this.#made.delete(launchToken)
      for (const id of ids) this.#tokens.delete(id)
    }
  }
}

/** The oldest first; of one moment by number, as far as ids are numbers. */
function byAge(one: TaggedMachine, other: TaggedMachine): number {
  return (one.createdAt ?? 0) - (other.createdAt ?? 0) || Number(one.id) - Number(other.id) || 0
}
