import type { Clock } from '../../contract/clock.ts'
import { loggedSeconds } from '../../contract/logged-seconds.ts'
import type { Logger } from '../../contract/logger.ts'
import type { ProvisionerObserver } from '../observer.ts'
import { type Instance, type InstanceChange, withHealth } from './instance.ts'
import { type ReconcileInput, reconcile } from './reconcile.ts'

/** The known instances, and what has changed about them since somebody last asked. */
export class Roster {
  readonly #instances = new Map<string, Instance>()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #observer: ProvisionerObserver
  #changes: InstanceChange[] = []

  constructor({
    clock,
    logger,
    observer,
  }: { readonly clock: Clock; readonly logger: Logger; readonly observer: ProvisionerObserver }) {
    this.#clock = clock
    this.#logger = logger
    this.#observer = observer
  }

  get instances(): ReadonlyMap<string, Instance> {
    return this.#instances
  }

  /** An instance that is known before the first `list`. */
  seed(instance: Instance): void {
    this.#instances.set(instance.id, instance)
  }

  /** Applies what `list` answered, and answers what that changed. */
  reconcile(input: Omit<ReconcileInput, 'known' | 'now'>): readonly InstanceChange[] {
    const now = this.#clock.now()
    return this.#apply(reconcile({ ...input, known: this.#instances, now }), now)
  }

  /** The instances do not exist any more. */
  lose(ids: readonly string[]): readonly InstanceChange[] {
    const changes = ids.flatMap((id): readonly InstanceChange[] => {
      const instance = this.#instances.get(id)
      return instance === undefined ? [] : [{ kind: 'gone', instance, lost: instance.removal === undefined }]
    })
    return this.#apply(changes, this.#clock.now())
  }

  #apply(changes: readonly InstanceChange[], now: number): readonly InstanceChange[] {
    for (const change of changes) {
      if (change.kind === 'gone') this.#instances.delete(change.instance.id)
      else this.#instances.set(change.instance.id, change.instance)
      this.#note(change, now)
    }
    this.#changes.push(...changes)
    return changes
  }

  /** Replaces fields of one instance; an undefined one is taken away. */
  change(
    id: string,
    fields: { readonly [Field in 'removal' | 'failing' | 'interruptedAt' | 'goesAt']?: Instance[Field] | undefined },
  ): void {
    const before = this.#instances.get(id)
    if (before === undefined) return
    const instance = withHealth(
      Object.fromEntries(
        Object.entries({ ...before, ...fields }).filter(([, value]) => value !== undefined),
      ) as unknown as Instance,
    )
    this.#instances.set(id, instance)
    this.#changes.push({ kind: 'updated', instance, before })
  }

  takeChanges(): readonly InstanceChange[] {
    const changes = this.#changes
    this.#changes = []
    return changes
  }

  #note(change: InstanceChange, now: number): void {
    const { id, state, cause, detail, requestedAt, runningAt, seenAt } = change.instance
    const fields = { instance: id, state, cause, ...(detail !== undefined && { detail }) }
    const observer = this.#observer
    if (change.kind === 'seen') {
      this.#logger.info(fields, 'instance discovery')
      observer.instanceOperation?.('create')
      if (cause === 'requested' && requestedAt !== undefined) observer.creationTime?.(now - requestedAt)
    } else if (change.kind === 'gone') {
      const lifeMs = now - seenAt
      const { missingSince } = change.instance
      const missing = missingSince !== undefined && { missing_seconds: loggedSeconds(now - missingSince) }
      if (change.lost)
        this.#logger.error(
          { ...fields, life_seconds: loggedSeconds(lifeMs), ...missing },
          'instance unexpectedly removed',
        )
      else
        this.#logger.info(
          { ...fields, life_seconds: loggedSeconds(lifeMs), reason: change.instance.removal?.reason },
          'instance pruned',
        )
      observer.instanceOperation?.('delete')
      observer.lifeDuration?.(lifeMs)
      if (change.lost) observer.instanceLost?.()
    } else if (change.instance.missed && change.kind === 'updated' && !change.before.missed) {
      this.#logger.warn(fields, 'instance missing from list')
      observer.missedUpdate?.()
    } else {
      this.#logger.info(fields, 'instance update')
    }
    const startedRunning =
      runningAt === now &&
      (change.kind === 'seen' || (change.kind === 'updated' && change.before.runningAt === undefined))
    if (startedRunning && cause === 'requested' && requestedAt !== undefined) observer.runningTime?.(now - requestedAt)
  }
}
