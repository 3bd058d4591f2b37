import type { ListedInstance } from '../contract/instance-group.ts'

/** What one member was asked for under one launch token. Ids are the member's own. */
export interface LaunchPart {
  readonly member: string
  readonly launchToken: string
  readonly asked: number
  readonly askedAt: number
  /**
   * `asked`: no answer yet. `lost`: there will be none, and nobody knows what came of it. Until it is `known`, all that
   * was asked for counts as accepted.
   */
  answer: 'asked' | 'lost' | 'known'
  lostAt: number
  accepted: number
  /** Of those accepted, where the member told them. */
  ids: readonly string[]
  /** Those that have appeared, or were removed before they did. */
  readonly seen: Set<string>
}

/** How late a list may be, at least: one that began this long after a lost answer shows what came of the launch. */
const listLagMs = 10_000
/** So long a token is known. */
const rememberMs = 3_600_000

/**
 * Remembers which member was asked for what under which token: so that a token asked twice launches once, what has been
 * accepted counts before it appears, and an instance whose cloud keeps no token gets one. In memory only: after a
 * restart nobody asks again for what was asked before.
 */
export class LaunchJournal {
  readonly #launchTimeoutMs: number
  /** The oldest token first. */
  readonly #byToken = new Map<string, LaunchPart[]>()
  /** Those of which something is missing. */
  readonly #open = new Set<LaunchPart>()
  /** Members whose rows have told launch tokens: a row of theirs without one is nobody's launch. */
  readonly #tellTokens = new Set<string>()
  /** By member and listed id: the token of the launch that made the instance, where one is known. */
  readonly #listed = new Map<string, Map<string, string | undefined>>()

  /** What was accepted and has not appeared for `launchTimeoutMs` does not come any more. */
  constructor(launchTimeoutMs: number) {
    this.#launchTimeoutMs = launchTimeoutMs
  }

  begin(member: string, launchToken: string, asked: number, now: number): LaunchPart {
    const part: LaunchPart = {
      member,
      launchToken,
      asked,
      askedAt: now,
      answer: 'asked',
      lostAt: Number.POSITIVE_INFINITY,
      accepted: asked,
      ids: [],
      seen: new Set(),
    }
    this.#open.add(part)
    this.#byToken.set(launchToken, [...(this.#byToken.get(launchToken) ?? []), part])
    return part
  }

  /** The member answered. */
  settle(part: LaunchPart, accepted: number, ids: readonly string[] = []): void {
    part.answer = 'known'
    part.accepted = Math.max(0, Math.min(part.asked, accepted))
    part.ids = ids
    const listed = this.#listed.get(part.member)
    for (const id of ids) {
      if (!listed?.has(id)) continue
      listed.set(id, part.launchToken)
      part.seen.add(id)
    }
    this.#closeIfComplete(part)
  }

  /** There will be no answer. */
  lose(part: LaunchPart, now: number): void {
    part.answer = 'lost'
    part.lostAt = now
  }

  of(launchToken: string): readonly LaunchPart[] {
    return this.#byToken.get(launchToken) ?? []
  }

  /** How many of a member's instances may still appear. */
  missing(member: string): number {
    let missing = 0
    for (const part of this.#open) if (part.member === member) missing += part.accepted - part.seen.size
    return missing
  }

  /** What is removed before it ever appeared is not waited for. */
  removed(member: string, ids: readonly string[]): void {
    const removed = new Set(ids)
    for (const part of this.#open) {
      if (part.member !== member) continue
      for (const id of part.ids) if (removed.has(id)) part.seen.add(id)
      this.#closeIfComplete(part)
    }
  }

  /**
   * A member's list, begun at `beganAt` and perhaps `lagMs` late: the same rows, with the launch tokens that the cloud
   * itself does not tell.
   */
  listed(member: string, rows: readonly ListedInstance[], beganAt: number, lagMs = 0): readonly ListedInstance[] {
    if (rows.some(({ launchToken }) => launchToken !== undefined)) this.#tellTokens.add(member)
    const before = this.#listed.get(member)
    const now = new Map<string, string | undefined>()
    for (const row of rows) now.set(row.id, before?.has(row.id) ? before.get(row.id) : this.#claim(member, row))
    this.#listed.set(member, now)
    this.#conclude(member, beganAt, Math.max(listLagMs, lagMs))
    return rows.map((row) => {
      const launchToken = now.get(row.id)
      return launchToken === undefined || launchToken === row.launchToken ? row : { ...row, launchToken }
    })
  }

  /**
   * The token of the launch that made a new instance: named by its id, by its token, or, where the cloud tells neither,
   * the oldest that still waits.
   */
  #claim(member: string, { id, launchToken }: ListedInstance): string | undefined {
    const parts = [...this.#open].filter((part) => part.member === member)
    const part =
      parts.find(({ ids }) => ids.includes(id)) ??
      parts.find((candidate) =>
        launchToken === undefined
          ? !this.#tellTokens.has(member) && candidate.ids.length < candidate.accepted
          : candidate.launchToken === launchToken,
      )
    if (part === undefined) return launchToken
    part.seen.add(id)
    this.#closeIfComplete(part)
    return launchToken ?? part.launchToken
  }

  #conclude(member: string, beganAt: number, lagMs: number): void {
    for (const part of this.#open) {
      if (part.member !== member) continue
      if (part.answer === 'lost' && beganAt - part.lostAt >= lagMs) this.settle(part, part.seen.size, [...part.seen])
      if (beganAt - part.askedAt >= this.#launchTimeoutMs) part.accepted = part.seen.size
      this.#closeIfComplete(part)
    }
    for (const [launchToken, parts] of this.#byToken) {
      if (parts.some(({ askedAt }) => beganAt - askedAt < rememberMs)) break
      if (!parts.some((part) => this.#open.has(part))) this.#byToken.delete(launchToken)
    }
  }

  #closeIfComplete(part: LaunchPart): void {
    if (part.answer === 'known' && part.seen.size >= part.accepted) this.#open.delete(part)
  }
}
