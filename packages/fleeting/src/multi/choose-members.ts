import { GroupError, type GroupErrorCode } from '../contract/errors.ts'
import { type Availability, allowedAtOnce } from './availability.ts'

/** What is known of a member when launches are shared out. */
export interface MemberState {
  readonly name: string
  readonly availability: Availability
  /** Set while it cannot be read or reached: nothing is launched where nobody sees what comes of it. */
  readonly unreadable?: GroupError
  /** The most instances that it may have. */
  readonly limit: number
  /** Instances that it has, in whatever state, or may still get. */
  readonly size: number
  /** Those of them that do not run yet. */
  readonly booting: number
  /** Its share, with {@link Preference} `weight`; > 0. */
  readonly weight: number
}

/** `order`: the first that has room. `weight`: so that sizes come nearest to the weights. */
export type Preference = 'order' | 'weight'

/** How many more instances a member may be asked for now. */
export function roomOf({ availability, unreadable, limit, size, booting }: MemberState, now: number): number {
  if (unreadable !== undefined) return 0
  return Math.max(0, Math.min(limit - size, allowedAtOnce(availability, now) - booting))
}

/**
 * Shares `count` launches out among the members, given in order of preference: never more than a member has room for,
 * and as many as all have room for. Only members with a share are in the answer.
 */
export function chooseMembers(
  members: readonly MemberState[],
  count: number,
  now: number,
  preference: Preference,
): ReadonlyMap<string, number> {
  const shares = new Map<string, number>()
  const open = members.map((member) => ({ member, room: roomOf(member, now), share: 0 }))
  for (let left = count; left > 0; ) {
    const candidates = open.filter(({ room, share }) => share < room)
    const first = candidates[0]
    if (first === undefined) break
    const next =
      preference === 'order'
        ? first
        : candidates.reduce((best, candidate) => (fullness(candidate) < fullness(best) ? candidate : best), first)
    const taken = preference === 'order' ? Math.min(left, next.room) : 1
    next.share += taken
    left -= taken
    shares.set(next.member.name, next.share)
  }
  return shares
}

/** How much of its share a member would have with one instance more. */
function fullness({ member, share }: { readonly member: MemberState; readonly share: number }): number {
  return (member.size + share + 1) / member.weight
}

/** Why a member without room takes nothing now. */
export function refusalOf(member: MemberState, now: number): GroupError {
  const { name, availability, unreadable, limit, size } = member
  if (unreadable !== undefined) return unreadable
  if (size >= limit) return new GroupError('quota', `${name} already has its maximum of ${limit} instances`)
  const { error, until, proven } = availability
  const retryAfterMs = until > now ? { retryAfterMs: until - now } : {}
  if (error === undefined || until <= now)
    return new GroupError(
      'capacity',
      `${name} is on trial after a refusal (${proven} have run): ${error?.message}`,
      retryAfterMs,
    )
  return new GroupError(error.code, error.message, { ...retryAfterMs, cause: error })
}

/**
 * What several refusals mean together: what they agree on, so that only what is wrong everywhere stops everything.
 * Where they do not agree, waiting may help: `capacity`, until the first one may be asked again.
 */
export function combineRefusals(refusals: readonly GroupError[]): GroupError {
  const codes = new Set<GroupErrorCode>(refusals.map(({ code }) => code))
  const [code = 'capacity'] = codes.size === 1 ? codes : []
  const hints = refusals.flatMap(({ retryAfterMs }) => retryAfterMs ?? [])
  return new GroupError(code, refusals.map(({ message }) => message).join('; '), {
    ...(hints.length > 0 && { retryAfterMs: Math.min(...hints) }),
    cause: refusals.length === 1 ? refusals[0] : new AggregateError(refusals),
  })
}
