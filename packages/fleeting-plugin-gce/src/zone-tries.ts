import type { Clock, ListedInstance } from '@runner-core/fleeting'
import type { InstanceGroupManager, ManagedInstance } from './compute-api.ts'

/**
 * So long after it was last found without room in another zone than before, a machine has failed, whatever the group
 * may still try.
 */
export const stallMs = 60_000

interface Tries {
  /** Zones without room for it. */
  readonly zones: Set<string>
  /** When the last of them was added, `Clock.now()`. */
  since: number
}

/**
 * Tracks machines whose zone has no room, in a group that picks zones by free capacity. The group may still try
 * another zone; a machine that is given up at once is replaced by one that starts with the same zone. So a machine
 * counts as starting until every zone has refused it, or until it makes no progress. That groups behave this way is
 * an assumption, hence the short wait.
 */
export class ZoneTries {
  readonly #clock: Clock
  readonly #tries = new Map<string, Tries>()
  #picks = false
  #zones: readonly string[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How the group is set up. */
  of({ distributionPolicy }: InstanceGroupManager): void {
    const { zones = [], targetShape = 'EVEN' } = distributionPolicy ?? {}
    this.#picks = targetShape === 'ANY' || targetShape === 'BALANCED'
    this.#zones = zones.flatMap(({ zone }) => zone?.split('/').at(-1) ?? [])
  }

  /** Those of a group in a region. */
  get zones(): readonly string[] {
    return this.#zones
  }

  /**
   * A whole list: what each row is, given how its tries went so far. `rows` has the rows of `listed` as the group
   * shows them.
   */
  judge(rows: ReadonlyMap<string, ManagedInstance>, listed: readonly ListedInstance[]): readonly ListedInstance[] {
    for (const name of this.#tries.keys()) if (!rows.has(name)) this.#tries.delete(name)
    return listed.map((row) => this.#judge(row, rows.get(row.id)))
  }

  #judge(row: ListedInstance, shown: ManagedInstance | undefined): ListedInstance {
    const { error, ...rest } = row
    if (error === undefined || error.code !== 'capacity' || !this.#picks || this.#zones.length < 2) return row
    const now = this.#clock.now()
    const tries = this.#tries.get(row.id) ?? { zones: new Set(), since: now }
    this.#tries.set(row.id, tries)
    const zone = /zones\/([^/]+)\/instances\//.exec(shown?.instance ?? '')?.[1] ?? ''
    if (!tries.zones.has(zone)) {
      tries.zones.add(zone)
      tries.since = now
    }
    const isHopeless = this.#zones.every((each) => tries.zones.has(each)) || now - tries.since >= stallMs
    return isHopeless
      ? row
      : { ...rest, state: 'creating', detail: `no capacity in ${[...tries.zones].join(', ')} so far` }
  }
}
