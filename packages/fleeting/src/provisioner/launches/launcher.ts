import { describeError } from '../../contract/describe-error.ts'
import { asGroupError, GroupError } from '../../contract/errors.ts'
import type { IncreaseResult, ListedInstance } from '../../contract/instance-group.ts'
import type { StateRecord } from '../../state/state-store.ts'
import type { ProvisionerContext } from '../context.ts'
import { fleetRecords, type LaunchRecord } from '../fleet-records.ts'
import { keptTokenPrefix, wereLaunchesTold } from '../intent-journal.ts'
import { sinceWallTime } from '../since-wall-time.ts'
import type { BootFailure } from './boots.ts'
import type { InstanceLimit } from './instance-limit.ts'
import {
  acceptLaunch,
  countSeen,
  type Launch,
  type ListMark,
  launchOf,
  launchRecord,
  mayBring,
  newLaunch,
  nextStep,
  outstandingLaunch,
} from './launch.ts'
import type { LaunchGate } from './launch-gate.ts'
import { type LaunchBackoff, type LaunchState, launchAllowance } from './launch-state.ts'

/** What the launcher must know of the rest of the provisioner. */
export interface LaunchSurroundings {
  readonly limit: InstanceLimit
  /** Known instances, in whatever state. */
  known(): number
  isKnown(id: string): boolean
  /** The last `list` that worked, and the first that is still to begin. */
  lastList(): ListMark
  nextList(): ListMark
  /** Set while `list` does not work: then nothing is launched. */
  listFailure(): LaunchBackoff | undefined
  /** Whether a launch can be asked for again under its token, by whatever process, without launching twice. */
  knowsTokens(): boolean
  /** True once nothing may be launched any more. */
  closed(): boolean
  /** A launch was accepted: `list` will soon show something new. */
  expectInstances(): void
  /** Only `list` can tell what came of a launch. */
  askList(): void
  /** The launch state is another now. */
  changed(): void
}

/** Why an instance is removed whose launch nobody waits for any more. */
export const launchIsOver = 'it comes from a launch of this fleet that has ended'

/** How long a launch that ended is remembered, so that what comes late is still known as ours. */
const rememberMs = 3_600_000

/**
 * Makes instances: turns requests into `increase` calls within the maximum and what the gate lets through, and tells
 * which new instance came from which.
 */
export class Launcher {
  readonly #context: ProvisionerContext
  readonly #around: LaunchSurroundings
  readonly #gate: LaunchGate
  #launches: Launch[] = []
  /** Placements with a call under way. */
  readonly #calling = new Set<string | undefined>()
  readonly #ended = new Map<string, { readonly requestedAt: number; readonly endedAt: number }>()
  /** Those of the ended that were given up: what they should have brought may come all the same. */
  #expired: readonly Launch[] = []
  #tellsTokens = false
  /** Of all launch tokens of the fleet, also of its earlier processes. */
  #tokenPrefix: string

  constructor(context: ProvisionerContext, gate: LaunchGate, around: LaunchSurroundings) {
    this.#context = context
    this.#tokenPrefix = `l${digits(context.random, 6)}`
    this.#gate = gate
    this.#around = around
  }

  state(now: number): LaunchState {
    const { backoffs, ...gate } = this.#gate.state(now)
    const listFailure = this.#around.listFailure()
    return {
      now,
      ...this.#around.limit,
      known: this.#around.known(),
      outstanding: this.#launches.map(outstandingLaunch),
      backoffs: listFailure === undefined ? backoffs : [...backoffs, listFailure],
      ...gate,
      closed: this.#around.closed(),
    }
  }

  /** Takes as many as are allowed now. They are sent on the next pass, those for one placement in one call. */
  request(count: number, placement: string | undefined, reason: string): number {
    const now = this.#context.clock.now()
    const taken = Math.min(Math.floor(count), launchAllowance(this.state(now), placement).count)
    if (!(taken > 0)) return 0
    this.#gate.takeTokens(taken)
    const waiting = this.#launches.find((launch) => launch.phase === 'queued' && launch.placement === placement)
    if (waiting !== undefined) waiting.count += taken
    else this.#launches.push(newLaunch(this.#newToken(), taken, placement, reason, now))
    this.#context.wake()
    return taken
  }

  /** What a `list` shows about the cloud itself: whether its machines tell which launch made them. */
  listed(rows: readonly ListedInstance[]): void {
    if (this.#tellsTokens || rows.every(({ launchToken }) => launchToken === undefined)) return
    this.#tellsTokens = true
    this.#context.intents.noteLaunchesTold()
  }

  /** Whose the new instance is: undefined when no launch of ours can have made it. */
  claim(
    row: ListedInstance,
    { byTokenOnly }: { readonly byTokenOnly: boolean },
  ): { readonly requestedAt: number } | undefined {
    const launch = launchOf([...this.#launches, ...this.#expired], row, this.#tellsTokens || byTokenOnly)
    if (launch === undefined) return row.launchToken === undefined ? undefined : this.#ended.get(row.launchToken)
    countSeen(launch, row.id)
    this.#gate.appeared(launch.requestedAt)
    this.#keep(launch)
    return launch
  }

  /** Whether the instance comes from a launch of this fleet, at whatever time. */
  isOwn({ launchToken }: ListedInstance): boolean {
    return launchToken?.startsWith(this.#tokenPrefix) ?? false
  }

  /**
   * Launches that an earlier process announced. One that the cloud accepted is awaited. Of another nobody knows whether
   * it was ever sent: a cloud that knows tokens is asked again; elsewhere the first `list` that had time to show what
   * came of it decides.
   */
  restore(records: readonly StateRecord[]): void {
    const { clock, settings } = this.#context
    const now = clock.now()
    this.#tellsTokens = wereLaunchesTold(records)
    const prefix = keptTokenPrefix(records)
    if (prefix === undefined) this.#context.intents.noteTokenPrefix(this.#tokenPrefix)
    else this.#tokenPrefix = prefix
    for (const { key, value: kept } of fleetRecords.read('launch', records)) {
      const reason = kept.isAccepted
        ? 'requested by an earlier process'
        : 'requested by an earlier process; not confirmed'
      const launch = newLaunch(key, kept.count, kept.placement, reason, sinceWallTime(clock, kept.atWallTime))
      if (kept.isAccepted) acceptLaunch(launch, launch.count, undefined, () => false, now + settings.launchTimeoutMs)
      else {
        const mayAsk = this.#around.knowsTokens()
        const next = this.#around.nextList()
        launch.phase = 'uncertain'
        launch.isUnconfirmed = true
        launch.deadlineAt = now + settings.launchTimeoutMs
        launch.retryAt = mayAsk ? now : Infinity
        launch.listFrom = mayAsk ? next : { ...next, beganAt: now + settings.listLagMs }
      }
      this.#launches.push(launch)
    }
  }

  /** Sends what is due, gives up what is past its deadline. */
  pass(now: number): void {
    const closed = this.#around.closed()
    for (const launch of this.#launches) {
      const step = nextStep(launch, now, this.#around.lastList())
      if (step === 'expired') this.#expire(launch)
      else if (step === 'end' && launch.isUnconfirmed) this.#giveUp(launch)
      else if (step === 'end' || (step === 'send' && closed && launch.phase === 'uncertain')) this.#giveRoomBack(launch)
      else if (step === 'send') this.#sendIfAllowed(launch, now)
      else if (launch.phase !== 'sent' && now >= launch.deadlineAt) this.#around.askList()
    }
    for (const [token, { endedAt }] of this.#ended) {
      if (now - endedAt < rememberMs) break
      this.#ended.delete(token)
      this.#expired = this.#expired.filter(({ launchToken }) => launchToken !== token)
    }
  }

  /** When a pass is needed next, if nothing else happens. */
  nextAt(now: number): number {
    let next = Infinity
    for (const { phase, retryAt, deadlineAt } of this.#launches) {
      if (deadlineAt > now) next = Math.min(next, deadlineAt)
      if (phase === 'uncertain' && retryAt > now) next = Math.min(next, retryAt)
    }
    return next
  }

  /** Whether a launch is under way, in whatever phase. */
  get busy(): boolean {
    return this.#launches.length > 0
  }

  /**
   * What may still appear, by name: ids where the cloud told them, otherwise one entry for a launch. What was given up
   * is among it for an hour.
   */
  mayAppear(): readonly string[] {
    return [...this.#expired, ...this.#launches].flatMap(mayBring)
  }

  /** Ids that the cloud told and `list` has not shown, of launches that were given up, or of all. */
  unlisted(which: 'expired' | 'all'): readonly string[] {
    const launches = which === 'all' ? [...this.#expired, ...this.#launches] : this.#expired
    return launches.flatMap(({ ids }) => [...ids])
  }

  /** Whether `list` may show something new any time. */
  get expecting(): boolean {
    return this.#launches.some(({ phase }) => phase === 'accepted' || phase === 'uncertain')
  }

  /** Outstanding instances by whether the cloud has accepted them. */
  counts(): { readonly requested: number; readonly pending: number } {
    let requested = 0
    let pending = 0
    for (const { phase, count } of this.#launches) {
      if (phase === 'accepted') pending += count
      else requested += count
    }
    return { requested, pending }
  }

  /** An instance that a launch made has proven good, or failed before it ever was. */
  booted(placement: string | undefined, failure?: BootFailure): void {
    if (failure === undefined) {
      this.#gate.proved(placement)
    } else {
      this.#context.observer.launchFailed?.(failure.error?.code ?? 'failed_boot', 1)
      this.#gate.bootFailed(failure, placement)
    }
    this.#around.changed()
    this.#context.wake()
  }

  /**
   * Much may have happened since it was asked for. What has not been sent yet is given back rather than kept: whoever
   * wants it asks again.
   */
  #sendIfAllowed(launch: Launch, now: number): void {
    const shut = this.#around.closed() || this.#isHeld(launch, now)
    if (shut && launch.phase === 'queued') this.#unqueue(launch)
    else if (launch.isUnconfirmed && this.#isAboveLimit()) this.#leaveToList(launch, now)
    else if (!shut && !this.#calling.has(launch.placement)) void this.#send(launch)
  }

  /** An earlier process announced more than there may be: some of it, and nobody knows which, was never sent. */
  #isAboveLimit(): boolean {
    const outstanding = this.#launches.reduce((sum, { count }) => sum + count, 0)
    return this.#around.known() + outstanding > this.#around.limit.maxInstances
  }

  /** Not asked for again: `list` decides, once it had time to show what came of it. */
  #leaveToList(launch: Launch, now: number): void {
    launch.retryAt = Infinity
    launch.listFrom = { ...this.#around.nextList(), beganAt: now + this.#context.settings.listLagMs }
    this.#around.askList()
  }

  #isHeld({ placement }: Launch, now: number): boolean {
    return this.#around.listFailure() !== undefined || this.#gate.isShut(placement, now)
  }

  async #send(launch: Launch): Promise<void> {
    const { caller, group, clock, observer, logger } = this.#context
    const { launchToken, placement, reason } = launch
    // What has appeared of it is part of what was asked for.
    const count = launch.count + (launch.isUnconfirmed ? launch.seen : 0)
    const again = launch.phase === 'uncertain'
    launch.phase = 'sent'
    this.#calling.add(placement)
    try {
      if (again) await this.#context.intents.write('launch', [])
      else if (!(await this.#announce(launch, launchRecord(launch, clock.wallTime())))) return
      if (this.#around.closed()) return this.#end(launch)
      // Writing may have taken long.
      if (this.#isHeld(launch, clock.now())) {
        // One that may have been sent before is asked for again later.
        if (again) launch.phase = 'uncertain'
        else this.#withdraw(launch)
        return
      }
      observer.internalOperation?.('provision')
      logger.info({ amount: count, placement, launch_token: launchToken, reason, again }, 'increasing instances')
      const request = { count, launchToken, ...(placement !== undefined && { placement }) }
      this.#answered(launch, count, await caller.call('increase', (signal) => group.increase(request, signal)))
    } catch (error) {
      this.#unanswered(launch, asGroupError(error))
    } finally {
      this.#calling.delete(placement)
      this.#around.changed()
      this.#context.wake()
    }
  }

  /** False: the intent could not be written, so the launch must not be made. */
  async #announce(launch: Launch, intent: LaunchRecord): Promise<boolean> {
    try {
      await this.#context.intents.write('launch', [[launch.launchToken, intent]])
      return true
    } catch (error) {
      this.#context.logger.error(
        { err: error, launch_token: launch.launchToken },
        'launch could not be recorded, so it was not made',
      )
      this.#gate.refused(asGroupError(error), launch.placement)
      this.#withdraw(launch)
      return false
    }
  }

  #answered(launch: Launch, asked: number, result: IncreaseResult): void {
    const { caller, settings, clock, logger } = this.#context
    if (!Number.isInteger(result.requested))
      throw new GroupError('transient', `increase returned ${String(result.requested)} requested`)
    if (result.requested > asked)
      logger.error(
        { num_requested: asked, num_successful: result.requested },
        'provider increased instances beyond those requested',
      )
    const accepted = Math.max(0, Math.min(asked, result.requested))
    const { placement } = launch
    if (accepted > 0) {
      this.#gate.accepted(placement)
      this.#around.expectInstances()
    }
    const errors = (result.errors ?? []).map(asGroupError)
    if (accepted < asked && errors.length === 0)
      errors.push(new GroupError('capacity', `the group accepted ${accepted} of ${asked}`))
    logger.info(
      { num_requested: asked, num_successful: accepted, errors: errors.map(describeError) },
      'increase update',
    )
    for (const error of errors) {
      if (error.code === 'throttled') caller.holdOff(error)
      this.#gate.refused(error, placement)
    }
    if (errors[0] !== undefined) this.#context.observer.launchFailed?.(errors[0].code, asked - accepted)
    acceptLaunch(launch, accepted, result.ids, (id) => this.#around.isKnown(id), clock.now() + settings.launchTimeoutMs)
    if (accepted > 0 || accepted < asked) this.#keep(launch)
  }

  /**
   * The call failed. A clear refusal gives the capacity back, as soon as a `list` shows that it was one: a client that
   * retries by itself may have got two answers, and shows us the last. After anything else nobody knows, and it is
   * asked again, under the same token, once `list` had time to show what came of it.
   */
  #unanswered(launch: Launch, error: GroupError): void {
    const { settings, clock, logger, observer } = this.#context
    logger.error({ err: error, launch_token: launch.launchToken }, 'increasing instances failure')
    observer.launchFailed?.(error.code, launch.count)
    const until = this.#gate.refused(error, launch.placement)
    const refused = error.code !== 'transient'
    const next = this.#around.nextList()
    launch.phase = launch.seen > 0 ? 'accepted' : 'uncertain'
    launch.listFrom = refused ? next : { ...next, beganAt: next.beganAt + settings.listLagMs }
    launch.deadlineAt = Math.max(
      Math.min(launch.deadlineAt, clock.now() + settings.launchTimeoutMs),
      launch.listFrom.beganAt,
    )
    launch.retryAt = refused ? Infinity : Math.max(launch.listFrom.beganAt, until)
    this.#around.askList()
    this.#endIfComplete(launch)
  }

  /** No list shows anything of a launch that an earlier process may never have sent. */
  #giveUp(launch: Launch): void {
    const fields = { amount: launch.count, launch_token: launch.launchToken }
    this.#context.logger.warn(fields, 'launch of an earlier process given up: no instance appeared')
    this.#around.changed()
    this.#end(launch)
    this.#expired = [...this.#expired, launch]
  }

  #expire(launch: Launch): void {
    const seconds = Math.round(this.#context.settings.launchTimeoutMs / 1000)
    const message = `${launch.count} of launch ${launch.launchToken} did not appear within ${seconds} s`
    this.#context.logger.warn({ amount: launch.count, launch_token: launch.launchToken }, 'launch expired')
    this.#context.observer.launchFailed?.('expired', launch.count)
    this.#gate.failed({ code: 'expired', placement: launch.placement, message })
    this.#around.changed()
    this.#end(launch)
    this.#expired = [...this.#expired, launch]
  }

  /**
   * Announced, and not made. The next process would take it for one that was sent; that it could not be written may be
   * wrong, too.
   */
  #withdraw(launch: Launch): void {
    this.#context.intents.end('launch', launch.launchToken)
    this.#unqueue(launch)
  }

  /** Given back before anybody heard of it. */
  #unqueue(launch: Launch): void {
    this.#gate.giveTokensBack(launch.count)
    this.#launches = this.#launches.filter((other) => other !== launch)
  }

  #endIfComplete(launch: Launch): boolean {
    const isComplete = launch.phase === 'accepted' && launch.count === 0
    if (isComplete) this.#end(launch)
    return isComplete
  }

  /** Less is to be expected of the launch than the journal says. */
  #keep(launch: Launch): void {
    if (this.#endIfComplete(launch) || !this.#launches.includes(launch)) return
    const { intents, clock } = this.#context
    intents.note(
      'launch',
      launch.launchToken,
      launchRecord(launch, clock.wallTime() - (clock.now() - launch.requestedAt)),
    )
  }

  /** Refused, and a list shows that it was: whoever still wants it need not wait for something else to happen. */
  #giveRoomBack(launch: Launch): void {
    this.#end(launch)
    this.#around.changed()
  }

  #end(launch: Launch): void {
    this.#launches = this.#launches.filter((other) => other !== launch)
    this.#expired = this.#expired.filter((other) => other !== launch)
    this.#ended.set(launch.launchToken, { requestedAt: launch.requestedAt, endedAt: this.#context.clock.now() })
    this.#context.intents.end('launch', launch.launchToken)
  }

  /** Unique over processes too: clouds remember tokens. Fits labels and tags: lower-case letters and digits. */
  #newToken(): string {
    return `${this.#tokenPrefix}${digits(this.#context.random, 10)}`
  }
}

/** So many random letters and digits, at most ten. */
function digits(random: () => number, count: number): string {
  return Math.floor(random() * 36 ** count)
    .toString(36)
    .padStart(count, '0')
}
