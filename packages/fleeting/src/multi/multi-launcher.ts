import type { Clock } from '../contract/clock.ts'
import { asGroupError, GroupError } from '../contract/errors.ts'
import type { IncreaseRequest, IncreaseResult } from '../contract/instance-group.ts'
import {
  chooseMembers,
  combineRefusals,
  type MemberState,
  type Preference,
  refusalOf,
  roomOf,
} from './choose-members.ts'
import { stopsFleet } from './contained-error.ts'
import { fleetId } from './fleet-id.ts'
import type { GroupMember } from './group-member.ts'
import type { LaunchJournal } from './launch-journal.ts'

export interface MultiLauncherContext {
  readonly journal: LaunchJournal
  readonly preference: Preference
  readonly clock: Clock
}

/** Shares each launch out among the members, and goes on to others with what some refuse. */
export class MultiLauncher {
  readonly #members: readonly GroupMember[]
  readonly #context: MultiLauncherContext

  /** `members`: the preferred first. */
  constructor(members: readonly GroupMember[], context: MultiLauncherContext) {
    this.#members = members
    this.#context = context
  }

  async increase({ count, launchToken, placement }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const { clock, preference } = this.#context
    const eligible = this.#from(placement)
    await this.#askAgain(launchToken, signal)
    for (;;) {
      signal.throwIfAborted()
      const parts = this.#parts(launchToken)
      const counted = parts.reduce((sum, { accepted }) => sum + accepted, 0)
      const untried = eligible.filter(({ name }) => !parts.some(({ member }) => member === name))
      const states = untried.map((member) => member.state())
      const shares = chooseMembers(states, count - counted, clock.now(), preference)
      if (shares.size === 0) return this.#answer(count, launchToken, eligible, placement)
      await Promise.all(untried.map((member) => this.#ask(member, launchToken, shares.get(member.name) ?? 0, signal)))
    }
  }

  /** Those before it are held back by whoever asks for a placement. */
  #from(placement: string | undefined): readonly GroupMember[] {
    const names = this.#members.map(({ name }) => name)
    const first = placement === undefined ? 0 : names.indexOf(placement)
    if (first < 0)
      throw new GroupError('invalid_config', `placement: expected one of ${names.join(', ')}, got ${placement}`)
    return this.#members.slice(first)
  }

  /**
   * A member whose answer was lost, and whose lists have shown nothing since, may have launched all the same. One that
   * knows launch tokens is asked once more, before any other is; only once, since its cloud may be out for long. While
   * it cannot be read nobody is asked: what it launches could not be seen.
   */
  async #askAgain(launchToken: string, signal: AbortSignal): Promise<void> {
    const parts = this.#context.journal.of(launchToken)
    await Promise.all(
      this.#members.map(async (member) => {
        const [part, ...later] = parts.filter(({ member: name }) => name === member.name)
        const isDoubtful =
          part !== undefined && part.answer === 'known' && part.lostAt < Infinity && part.accepted === 0
        if (!isDoubtful || later.length > 0 || member.info?.capabilities?.includes('launch_tokens') !== true) return
        if (member.unreadable !== undefined) throw unknownIn([member.name])
        await this.#ask(member, launchToken, part.asked, signal)
      }),
    )
  }

  /** What has been or may have been accepted under the token. */
  #parts(launchToken: string) {
    return this.#context.journal.of(launchToken).filter(({ accepted }) => accepted > 0)
  }

  async #ask(member: GroupMember, launchToken: string, count: number, signal: AbortSignal): Promise<void> {
    if (count === 0) return
    const { journal, clock } = this.#context
    const part = journal.begin(member.name, launchToken, count, clock.now())
    try {
      const request = { count, launchToken }
      const {
        requested,
        ids,
        errors = [],
      } = await member.call('increase', signal, (group, limit) => group.increase(request, limit))
      if (!Number.isInteger(requested))
        throw new GroupError('transient', `increase returned ${String(requested)} requested`)
      journal.settle(part, requested, ids)
      for (const error of errors) member.refused(asGroupError(error))
      if (requested < count && errors.length === 0)
        member.refused(new GroupError('capacity', `accepted ${requested} of ${count}`))
    } catch (thrown) {
      const error = asGroupError(thrown)
      if (signal.aborted || error.code === 'transient') journal.lose(part, clock.now())
      else journal.settle(part, 0)
      signal.throwIfAborted()
      member.refused(error)
    }
  }

  /**
   * Throws when nothing is known to be accepted and something may be: `list` tells, before anybody is asked again. A
   * cloud that knows no tokens would make more, and a refusal of the second question tells nothing of the first.
   */
  #answer(
    count: number,
    launchToken: string,
    eligible: readonly GroupMember[],
    placement: string | undefined,
  ): IncreaseResult {
    const now = this.#context.clock.now()
    const parts = this.#parts(launchToken)
    const lost = parts.filter(({ answer }) => answer !== 'known')
    if (lost.length > 0 && lost.length === parts.length) throw unknownIn(lost.map(({ member }) => member))
    const accepted = parts.reduce((sum, part) => sum + part.accepted, 0)
    const requested = Math.min(count, accepted)
    const states = eligible.map((member) => member.state())
    const errors: GroupError[] = []
    if (requested < count) errors.push(this.#refusal(states, now))
    else if (placement !== undefined && states[0] !== undefined && roomOf(states[0], now) === 0)
      errors.push(elsewhere(refusalOf(states[0], now)))
    const ids = parts.flatMap((part) => part.ids.map((id) => fleetId(part.member, id))).slice(0, requested)
    return { requested, ...(ids.length > 0 && { ids }), ...(errors.length > 0 && { errors }) }
  }

  /**
   * Why those asked take no more. What would stop the fleet must be so in every member, in those before the placement
   * too.
   */
  #refusal(asked: readonly MemberState[], now: number): GroupError {
    const refusal = combineRefusals(asked.map((state) => refusalOf(state, now)))
    const all = combineRefusals(this.#members.map((member) => refusalOf(member.state(), now)))
    return stopsFleet(refusal) && all.code !== refusal.code ? elsewhere(refusal) : refusal
  }
}

/** Those asked take no more, and others do or may: whoever asked shall begin with another one for a while. */
function elsewhere({ message, retryAfterMs, cause }: GroupError): GroupError {
  return new GroupError('capacity', message, { ...(retryAfterMs !== undefined && { retryAfterMs }), cause })
}

function unknownIn(members: readonly string[]): GroupError {
  return new GroupError('transient', `the outcome of the launch is unknown in ${members.join(', ')}`)
}
