import type { GroupError } from '../../contract/errors.ts'
import type { InstanceState } from '../../contract/instance-group.ts'

/**
 * Why an instance is known: `requested` a launch of this fleet made it, by an earlier process too where state is kept ·
 * `adopted` it was there when the fleet's first process started, or nobody can know · `unexpected` it is none of ours
 * (a person's, a cloud's own autoscaler's): it is given no work, and what else becomes of it is configured.
 */
export type InstanceCause = 'requested' | 'adopted' | 'unexpected'

/**
 * A removal that was decided. From here on the instance gets no new work; the delete is sent, and sent again, until
 * `list` shows it gone.
 */
export interface Removal {
  readonly reason: string
  readonly at: number
}

/**
 * One instance as the provisioner knows it. Never changed in place: a change replaces the object, so a snapshot that
 * holds it stays what it was. Times are `Clock.now()` milliseconds.
 */
export interface Instance {
  readonly id: string
  /** As of the last `list`. */
  readonly state: InstanceState
  /** The cloud's own word for the state, or why it failed; for people. */
  readonly detail?: string
  /** Why it failed, where the group can tell by code. */
  readonly error?: GroupError
  readonly placement?: string
  readonly cause: InstanceCause
  /** When its launch was requested. Only with cause `requested`, and by this process. */
  readonly requestedAt?: number
  /** When `list` first showed it. */
  readonly seenAt: number
  /** When it was first seen `running`. */
  readonly runningAt?: number
  /** Since when it has been in `state`. */
  readonly stateSince: number
  readonly removal?: Removal
  /** True while `list` does not show it. Whether it is gone is not known yet. */
  readonly missed: boolean
  /** While `missed`: when the first reading of the group began that did not show it. */
  readonly missingSince?: number
  /** Why its connection checks count as failed. */
  readonly failing?: string
  /** When the cloud announced that it will take the instance away, where it does so. */
  readonly interruptedAt?: number
  /** When it will be taken away, where the cloud said that too. */
  readonly goesAt?: number
  /** Neither missed, nor failing, nor announced to go: it may be given new work once it runs. */
  readonly healthy: boolean
}

/**
 * What happened to an instance. `gone` is the last word about an id; `lost` tells that it went without a removal of
 * ours, so that whatever ran there is over.
 */
export type InstanceChange =
  | { readonly kind: 'seen'; readonly instance: Instance }
  | { readonly kind: 'updated'; readonly instance: Instance; readonly before: Instance }
  | { readonly kind: 'gone'; readonly instance: Instance; readonly lost: boolean }

/** True when the instance may be given new work: ours, running, healthy, and not on its way out. */
export function isUsable(instance: Instance): boolean {
  return (
    instance.state === 'running' &&
    instance.healthy &&
    instance.removal === undefined &&
    instance.cause !== 'unexpected'
  )
}

/** An instance that an earlier process had, before any `list` has shown it. */
export function restoredInstance(
  kept: Pick<Instance, 'id' | 'cause' | 'placement' | 'seenAt' | 'removal'>,
  now: number,
): Instance {
  return { ...kept, state: 'creating', stateSince: now, missed: false, healthy: true }
}

/** The instance with `healthy` made true to its other fields. */
export function withHealth(instance: Instance): Instance {
  const healthy = !instance.missed && instance.failing === undefined && instance.interruptedAt === undefined
  return healthy === instance.healthy ? instance : { ...instance, healthy }
}

/** In a state that lasts; any other is left soon, or the instance is stuck in it. */
export function isSettled(instance: Instance): boolean {
  return instance.state === 'running' || instance.state === 'suspended' || instance.state === 'failed'
}

/**
 * Why the provisioner itself wants an instance gone, once nobody uses it: it failed, is stuck in a state that should
 * pass, or is missing for long and yet not gone. Undefined: it does not.
 */
export function brokenReason(instance: Instance, now: number, stuckTimeoutMs: number): string | undefined {
  const { state, error, detail = error?.message, missed, missingSince = now } = instance
  if (state === 'failed') return detail === undefined ? 'failed' : `failed: ${detail}`
  if (now - missingSince >= stuckTimeoutMs)
    return `missing from the list for ${Math.round((now - missingSince) / 1000)} s`
  // Its state is not known, nor how long it is in it.
  if (missed) return undefined
  if (isSettled(instance) || now - instance.stateSince < stuckTimeoutMs) return undefined
  return `stuck in state ${state} for ${Math.round((now - instance.stateSince) / 1000)} s`
}
