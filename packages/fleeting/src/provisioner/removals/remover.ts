import { describeError } from '../../contract/describe-error.ts'
import { asGroupError, GroupError } from '../../contract/errors.ts'
import type { DecreaseResult } from '../../contract/instance-group.ts'
import type { ProvisionerContext } from '../context.ts'
import type { LaunchGate } from '../launches/launch-gate.ts'
import { afterAccepted, afterRefused, dueRemovals, type RemovalTask, sentAtOf } from './removals.ts'

/** What the remover must know of the rest of the provisioner. */
export interface RemovalSurroundings {
  isBusy(id: string): boolean
  /** True once nothing may be sent any more. */
  stopped(): boolean
  /** Rejects unless the group, of the members that have these instances, is still ours. */
  look(ids: readonly string[]): Promise<void>
  /** The instance turned out busy before anything was sent: it is not removed. */
  withdrawn(id: string): void
  /** A delete was accepted: `list` will show less. */
  expectLess(): void
}

/** Deletes in one call at most. */
const largestBatch = 256

/** Sends deletes, in batches, again and again until `list` shows the instances gone. */
export class Remover {
  readonly #context: ProvisionerContext
  readonly #gate: LaunchGate
  readonly #around: RemovalSurroundings
  readonly #tasks = new Map<string, RemovalTask>()
  #sending = false
  #batch = largestBatch
  #hurrying = false

  constructor(context: ProvisionerContext, gate: LaunchGate, around: RemovalSurroundings) {
    this.#context = context
    this.#gate = gate
    this.#around = around
  }

  mark(id: string, reason: string): void {
    if (this.#tasks.has(id)) return
    this.#tasks.set(id, { id, reason, written: false, accepted: 0, refused: 0, nextSendAt: this.#context.clock.now() })
    this.#context.wake()
  }

  /** The instance is gone, or is not to be removed after all. Answers when the first delete was sent. */
  end(id: string): number | undefined {
    const task = this.#tasks.get(id)
    if (task === undefined) return undefined
    this.#tasks.delete(id)
    this.#context.intents.end('removal', id)
    // Nothing is left to delete, so nothing is left that could prove the breaker wrong.
    if (this.#tasks.size === 0) this.#gate.worked('decrease')
    return sentAtOf(task)
  }

  /**
   * Whether a delete of the instance may be the reason why readings left it out, the first of which began at `since`
   * and the last at `readAt`.
   */
  explains(id: string, since: number, readAt: number): boolean {
    const { sentAt = Infinity, answeredAt = Infinity } = this.#tasks.get(id) ?? {}
    return since >= sentAt && readAt >= answeredAt
  }

  /** Whether the group has accepted a delete of the instance. */
  isAccepted(id: string): boolean {
    return (this.#tasks.get(id)?.accepted ?? 0) > 0
  }

  /** From now on deletes are sent again soon, and those under way at once: the process is about to end. */
  hurry(): void {
    this.#hurrying = true
    for (const task of this.#tasks.values())
      this.#tasks.set(task.id, { ...task, nextSendAt: this.#context.clock.now() })
  }

  pass(now: number): void {
    if (this.#sending) return
    const due = dueRemovals(this.#tasks.values(), now, this.#batch)
    if (due.length > 0) void this.#send(due)
  }

  /** When a pass is needed next, if nothing else happens. */
  nextAt(): number {
    if (this.#sending) return Infinity
    let next = Infinity
    for (const { nextSendAt } of this.#tasks.values()) next = Math.min(next, nextSendAt)
    return next
  }

  async #send(batch: readonly RemovalTask[]): Promise<void> {
    const { caller, group, intents, clock, observer } = this.#context
    this.#sending = true
    let ids: readonly string[] = batch.map(({ id }) => id)
    try {
      const atWallTime = clock.wallTime()
      const unwritten = batch.filter(({ written }) => !written)
      await intents.write(
        'removal',
        unwritten.map(({ id, reason }) => [id, { reason, atWallTime }] as const),
      )
      for (const { id } of unwritten) this.#change(id, (task) => ({ ...task, written: true }))
      await this.#around.look(ids)
      observer.internalOperation?.('removal')
      const result = await caller.call('decrease', (signal) => {
        // Nothing may come between this check and the call.
        ids = ids.filter((id) => this.#mayGo(id))
        if (ids.length === 0) return Promise.resolve<DecreaseResult>({ accepted: [] })
        for (const id of ids) this.#change(id, (task) => ({ ...task, sendingAt: clock.now() }))
        return group.decrease(ids, signal)
      })
      this.#batch = Math.min(largestBatch, this.#batch * 2)
      this.#answered(ids, result)
    } catch (thrown) {
      // One id may spoil a whole call: smaller batches let the others through.
      this.#batch = Math.max(1, Math.ceil(batch.length / 2))
      this.#unanswered(ids, asGroupError(thrown))
    } finally {
      this.#sending = false
      this.#context.wake()
    }
  }

  #mayGo(id: string): boolean {
    const task = this.#tasks.get(id)
    if (task === undefined || this.#around.stopped()) return false
    if (!this.#around.isBusy(id)) return true
    this.#context.logger.warn({ instance: id, reason: task.reason }, 'instance is busy, not removed')
    if (sentAtOf(task) !== undefined)
      this.#change(id, (current) => ({ ...current, nextSendAt: this.#context.clock.now() + this.#retryMs }))
    else this.#around.withdrawn(id)
    return false
  }

  #answered(ids: readonly string[], { accepted, errors = [] }: DecreaseResult): void {
    const { caller, clock, random, logger } = this.#context
    const taken = new Set(accepted)
    const now = clock.now()
    const failures = new Map(errors.map((error) => [error.instanceId, asGroupError(error)]))
    for (const error of failures.values()) {
      if (error.code === 'throttled') caller.holdOff(error)
      this.#failed(error)
    }
    for (const id of ids) {
      const error =
        failures.get(id) ??
        failures.get(undefined) ??
        new GroupError('transient', `the group did not accept the removal of ${id}`)
      const ok = taken.has(id) || error.code === 'not_found'
      this.#change(id, (task) => (ok ? this.#retryLater(task, now) : afterRefused(task, error, now, random)))
    }
    if (taken.size > 0) {
      this.#gate.worked('decrease')
      this.#around.expectLess()
    }
    if (ids.length > 0)
      logger.info(
        { amount: ids.length, accepted: taken.size, errors: errors.map(describeError) },
        'decreasing instances',
      )
  }

  #unanswered(ids: readonly string[], error: GroupError): void {
    const { clock, random, logger } = this.#context
    logger.error({ err: error, amount: ids.length }, 'decreasing instances')
    this.#failed(error)
    // One throw for all: what failed together is tried again together.
    const chance = random()
    for (const id of ids) this.#change(id, (task) => afterRefused(task, error, clock.now(), () => chance))
  }

  /** Matters only while there is something to delete, which will prove it wrong or right. */
  #failed(error: GroupError): void {
    if (this.#tasks.size > 0) this.#gate.tripped('decrease', error)
  }

  #retryLater(task: RemovalTask, now: number): RemovalTask {
    const next = afterAccepted(task, now, this.#retryMs)
    return this.#hurrying ? { ...next, accepted: 1, nextSendAt: now + this.#retryMs } : next
  }

  get #retryMs(): number {
    const { shutdownDeletionIntervalMs, deletionRetryIntervalMs } = this.#context.settings
    return this.#hurrying ? shutdownDeletionIntervalMs : deletionRetryIntervalMs
  }

  #change(id: string, change: (task: RemovalTask) => RemovalTask): void {
    const task = this.#tasks.get(id)
    if (task !== undefined) this.#tasks.set(id, change(task))
  }
}
