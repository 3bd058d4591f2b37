import type { InstanceState } from '../instance-group.ts'

/**
 * Why an instance is known: `requested` one of our launches made it · `adopted` it was there when we started ·
 * `unexpected` it appeared without a launch of ours (a person, a cloud's own autoscaler).
 */
export type InstanceCause = 'requested' | 'adopted' | 'unexpected'

/** A removal that was decided. From here on the instance gets no new work; the delete is sent, and sent again, until `list` shows it gone. */
export interface Removal {
  readonly reason: string
  readonly at: number
}

/**
 * One instance as the provisioner knows it. Never changed in place: a change replaces the object, so a snapshot that holds it stays what it was.
 * Times are `Clock.now()` milliseconds.
 */
export interface Instance {
  readonly id: string
  /** As of the last `list`. */
  readonly state: InstanceState
  /** The cloud's own word for the state, or why it is not healthy; for people. */
  readonly detail?: string
  readonly placement?: string
  readonly cause: InstanceCause
  /** When its launch was requested. Only with cause `requested`. */
  readonly requestedAt?: number
  /** When `list` first showed it. */
  readonly seenAt: number
  /** When it was first seen `running`. */
  readonly runningAt?: number
  /** Since when it has been in `state`. */
  readonly stateSince: number
  readonly removal?: Removal
  /** When the cloud announced that it will take the instance away, where it does so. */
  readonly interruptedAt?: number
  /** False once connection checks failed too often, the last `list` did not show it, or its interruption was announced: give it no new work. */
  readonly healthy: boolean
}

/**
 * What happened to an instance. `gone` is the last word about an id; `lost` tells that it went without a removal of ours, so that whatever ran there is over.
 */
export type InstanceChange =
  | { readonly kind: 'seen'; readonly instance: Instance }
  | { readonly kind: 'updated'; readonly instance: Instance; readonly before: Instance }
  | { readonly kind: 'gone'; readonly instance: Instance; readonly lost: boolean }

/** True when the instance may be given new work: running, healthy, and not on its way out. */
export function isUsable(instance: Instance): boolean {
  return instance.state === 'running' && instance.healthy && instance.removal === undefined
}
