import { type Clock, type Logger, silentLogger, systemClock } from '@runner-core/fleeting'
import type { Provisioner, ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import type { DemandSource } from './demand/demand-source.ts'
import { InvalidSettingsError, isAmount, isCount } from './invalid-settings.ts'
import type { ReadyCheck } from './loop/readiness.ts'
import type { WarmUp } from './loop/warm-up.ts'
import type { TaskscalerObserver } from './observer.ts'
import type { IdlePolicy } from './plan/policy.ts'
import { compileSchedule, type Schedule } from './plan/schedule.ts'
import type { SlotLimits } from './slots/instance-slots.ts'

export interface TaskscalerOptions {
  /**
   * Makes and removes the instances, at most its `maxInstances`. One that was started, or what to start one with;
   * either way it is the taskscaler's from here on, and is shut down with it.
   */
  readonly provisioner: Provisioner | ProvisionerOptions
  /**
   * What happens to the instances at the end of an `await using` block, also one that throws, and when `shutdown` is
   * called without saying it. `remove-instances`: those that are not busy are removed. `keep-instances`: they stay, and
   * cost money, for a process that adopts them.
   */
  readonly onDispose: 'remove-instances' | 'keep-instances'
  /** Jobs that one instance runs at the same time, ≥ 1. Default 1. */
  readonly capacityPerInstance?: number
  /** Jobs that one instance runs in its life; then it is removed. Default 0: no limit. */
  readonly maxUseCount?: number
  /** The last one whose period matches is in force, and `defaultPolicy` when none does. Default: none. */
  readonly policies?: readonly IdlePolicy[]
  /**
   * Run on each new instance over its connection before it is offered. Default: it is enough that a connection was
   * made.
   */
  readonly readyCheck?: ReadyCheck
  /** Done on each instance that was proven ready, before it counts as ready. Default: nothing. */
  readonly warmUp?: WarmUp | undefined
  /** How long an instance that runs may take to become ready, milliseconds. Default 600,000. */
  readonly readyTimeoutMs?: number
  /** The furthest that a promise of capacity may lie ahead, milliseconds. Default 600,000. */
  readonly promiseCapMs?: number
  /** Work that waits elsewhere. Default: none. */
  readonly demand?: readonly DemandSource[]
  readonly observer?: TaskscalerObserver
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Options checked and complete. */
export interface TaskscalerSettings
  extends Required<Omit<TaskscalerOptions, 'provisioner' | 'policies' | 'readyCheck' | 'warmUp'>> {
  readonly readyCheck: ReadyCheck | undefined
  readonly warmUp: WarmUp | undefined
  readonly limits: SlotLimits
  readonly schedule: Schedule
}

/** Thrown: {@link InvalidSettingsError}. */
export function withDefaults(options: Omit<TaskscalerOptions, 'provisioner'>): TaskscalerSettings {
  const {
    capacityPerInstance = 1,
    maxUseCount = 0,
    readyTimeoutMs = 600_000,
    promiseCapMs = 600_000,
    policies = [],
  } = options
  const { demand = [], observer = {}, clock = systemClock, logger = silentLogger } = options
  const problems: string[] = []
  const expect = (holds: boolean, path: string, expected: string, got: number): void => {
    if (!holds) problems.push(`${path}: expected ${expected}, got ${got}`)
  }
  expect(
    isCount(capacityPerInstance) && capacityPerInstance >= 1,
    'capacityPerInstance',
    'an integer ≥ 1',
    capacityPerInstance,
  )
  expect(isCount(maxUseCount), 'maxUseCount', 'an integer ≥ 0', maxUseCount)
  expect(isAmount(readyTimeoutMs) && readyTimeoutMs > 0, 'readyTimeoutMs', 'milliseconds > 0', readyTimeoutMs)
  expect(isAmount(promiseCapMs) && promiseCapMs > 0, 'promiseCapMs', 'milliseconds > 0', promiseCapMs)
  const { onDispose } = options
  if (onDispose !== 'remove-instances' && onDispose !== 'keep-instances')
    problems.push(
      `onDispose: expected "remove-instances" or "keep-instances", got ${JSON.stringify(onDispose) ?? 'nothing'}`,
    )
  if (problems.length > 0) throw new InvalidSettingsError(problems)
  return {
    onDispose,
    capacityPerInstance,
    maxUseCount,
    limits: { capacity: capacityPerInstance, uses: maxUseCount === 0 ? Number.POSITIVE_INFINITY : maxUseCount },
    schedule: compileSchedule(policies),
    readyCheck: options.readyCheck,
    warmUp: options.warmUp,
    readyTimeoutMs,
    promiseCapMs,
    demand,
    observer,
    clock,
    logger,
  }
}
