/** The zones of a scale set, and how it deals with those that have no room. */
export interface ZoneRules {
  /** None: the set is a regional one. */
  readonly zones: readonly string[]
  readonly fullZones: readonly string[]
  /** `zoneBalance`: rather none than an uneven spread. */
  readonly isStrict: boolean
  readonly withoutRoom: 'tried elsewhere' | 'failed'
}

/** Where one machine of a launch goes, and what becomes of it. */
export interface Placement {
  readonly zone: string | undefined
  /** Its first zone had no room. */
  readonly isSecondTry: boolean
  readonly fails: boolean
}

/**
 * Where the machines of one launch go; `sizes`: machines in each zone before. Each goes to the emptiest zone. As
 * Microsoft documents it
 * (learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-zone-balancing), a set that balances
 * as well as it can goes to the others while one zone is not available, and launches nothing while two are not; one
 * that balances strictly launches nothing that would be uneven. That want of room counts as unavailable is supposed;
 * `failed` plays a set where it does not.
 */
export function placements(count: number, rules: ZoneRules, sizes: ReadonlyMap<string, number>): readonly Placement[] {
  const { zones, isStrict, withoutRoom } = rules
  if (zones.length === 0) return Array.from({ length: count }, () => regional)
  const fullZones = zones.filter((zone) => rules.fullZones.includes(zone))
  const filled = new Map(sizes)
  const emptiest = (among: readonly string[]): string =>
    among.toSorted((one, other) => (filled.get(one) ?? 0) - (filled.get(other) ?? 0))[0]!
  const elsewhere = zones.filter((zone) => !fullZones.includes(zone))
  const mayMove = withoutRoom === 'tried elsewhere' && !isStrict && elsewhere.length > 0
  const placed = Array.from({ length: count }, (): Placement => {
    const first = emptiest(zones)
    const hasRoom = !fullZones.includes(first)
    const zone = hasRoom || !mayMove ? first : emptiest(elsewhere)
    // Counted within its launch, though it may fail.
    filled.set(zone, (filled.get(zone) ?? 0) + 1)
    return { zone, isSecondTry: zone !== first, fails: fullZones.includes(zone) }
  })
  const isBlocked = isStrict
    ? placed.some(({ fails }) => fails)
    : withoutRoom === 'tried elsewhere' && fullZones.length > 1
  return isBlocked ? placed.map((placement) => ({ ...placement, isSecondTry: false, fails: true })) : placed
}

const regional: Placement = { zone: undefined, isSecondTry: false, fails: false }
