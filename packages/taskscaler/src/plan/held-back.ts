import { describeLimit, type LaunchState, launchAllowance, outstandingCount } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'
import { breakerText } from './breaker-text.ts'
import type { HeldBack } from './scaling-plan.ts'

/** Why `count` more instances cannot be launched after `launching` were. */
export function holdBack(
  launches: LaunchState,
  placement: string | undefined,
  launching: number,
  count: number,
): HeldBack {
  const { blockedBy = 'max_instances', until } = launchAllowance(afterLaunching(launches, launching), placement)
  return {
    count,
    blockedBy,
    ...(until !== undefined && { until }),
    reason: reasonOf(blockedBy, until, launches, placement),
  }
}

function afterLaunching(launches: LaunchState, count: number): LaunchState {
  if (count === 0) return launches
  const launch = { launchToken: '', count, reason: '', requestedAt: launches.now, phase: 'queued' } as const
  return {
    ...launches,
    outstanding: [...launches.outstanding, launch],
    throttle: { ...launches.throttle, tokens: launches.throttle.tokens - count },
  }
}

function reasonOf(
  blockedBy: HeldBack['blockedBy'],
  until: number | undefined,
  launches: LaunchState,
  placement: string | undefined,
): string {
  const wait = until === undefined ? '' : `, next try in ${durationText(until - launches.now)}`
  switch (blockedBy) {
    case 'closed':
      return 'launches have ended: the scaler is shutting down, or another process owns the fleet'
    case 'max_instances':
      return `${describeLimit(launches)} is reached: existing: ${launches.known}, requested: ${outstandingCount(launches)}`
    case 'throttle':
      return `launches are throttled to ${launches.throttle.perSecond} per second${wait}`
    case 'backoff':
      return `launches back off after ${backoffText(launches, placement)}${wait}`
    case 'breaker':
      return breakerText(launches.breaker, launches.now) ?? 'launches are stopped'
  }
}

function backoffText({ backoffs, now }: LaunchState, placement: string | undefined): string {
  return failuresText(
    backoffs.filter(
      (backoff) => backoff.until > now && (backoff.placement === undefined || backoff.placement === placement),
    ),
  )
}

/** The failures that no success has ended. */
export function failuresText(backoffs: LaunchState['backoffs']): string {
  return backoffs
    .map(
      ({ code, failures, message }) => `${failures} ${failures === 1 ? 'failure' : 'failures'} (${code}: ${message})`,
    )
    .join(' and ')
}
