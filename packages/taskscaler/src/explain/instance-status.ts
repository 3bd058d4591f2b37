import type { Instance } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'
import type { ResolvedPolicy } from '../plan/policy.ts'
import type { InstanceSlots } from '../slots/instance-slots.ts'

/** One instance at one moment, and why it is there. */
export interface InstanceStatus {
  readonly instance: Instance
  /** Jobs on it now, and so far. */
  readonly inUse: number
  readonly useCount: number
  /** Why it is kept, or what becomes of it; for people. */
  readonly why: string
}

export interface InstanceSurroundings {
  /** Free slots that are wanted, and that there are. */
  readonly wanted: number
  readonly available: number
  readonly policy: ResolvedPolicy
  readonly now: number
}

/** Pure. */
export function describeInstance(host: InstanceSlots, surroundings: InstanceSurroundings): InstanceStatus {
  const { instance, inUse, useCount } = host
  return { instance, inUse, useCount, why: whyOf(host, surroundings) }
}

function whyOf(
  { instance, inUse, condemnedFor, proof, offered, idleSince, lendable, warmUp, isHeld }: InstanceSlots,
  { wanted, available, policy, now }: InstanceSurroundings,
): string {
  const { removal, state, stateSince, interruptedAt, failing, missed, missingSince = now } = instance
  const jobs = inUse === 0 ? '' : `; ${inUse} ${inUse === 1 ? 'job runs' : 'jobs run'} on it`
  if (removal !== undefined) return `being removed for ${durationText(now - removal.at)}: ${removal.reason}${jobs}`
  if (interruptedAt !== undefined)
    return `the cloud reclaims it, announced ${durationText(now - interruptedAt)} ago${jobs}`
  if (condemnedFor !== undefined) return `gets no more jobs: ${condemnedFor}${jobs}`
  if (failing !== undefined) return `unhealthy: ${failing}${jobs}`
  if (missed)
    return `missing from the list for ${durationText(now - missingSince)}, not known to be gone; gets no new jobs${jobs}`
  if (state !== 'running') return `${state} for ${durationText(now - stateSince)}`
  const warming = warmUp === undefined ? '' : `${warmUp.title} for ${durationText(now - warmUp.since)}`
  if (inUse > 0) return `in use${jobs}${warming === '' ? '' : `; ${warming}`}`
  if (!offered) return proof === 'proven' ? 'not offered' : 'its readiness is being checked'
  if (isHeld) return `${warming}; has a job before that only where no other slot is free`
  const idle = `idle for ${durationText(now - idleSince)}`
  if (available - lendable < wanted) return `${idle}; kept: free slots wanted: ${wanted}, ready: ${available}`
  return `${idle}; removed after ${durationText(policy.idleTimeMs)} without work`
}
