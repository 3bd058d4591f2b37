import { type Clock, type Connection, delay, type Logger } from '@runner-core/fleeting'
import {
  type HeldSlot,
  readDiskTrouble,
  readLowSpace,
  readSlotReport,
  type SlotReport,
  slotReportScript,
} from '@runner-core/job'
import { Answer } from '../commands/answer.ts'
import { runCommand } from '../commands/run-command.ts'
import type { SlotClaims } from '../slots/slot-claims.ts'
import { endProcesses } from './end-processes.ts'

export interface SweepSlotsOptions {
  /** As configured for the executor. */
  readonly buildsDir: string
  readonly minFreeBytes?: number
  readonly claims: SlotClaims
  /** Whether a slot is lent to a job of an earlier process that may be resumed. */
  readonly isLent: (slot: number) => boolean
  readonly instanceId: string
  readonly clock: Clock
  readonly logger: Logger
}

/** How long what is left has from `TERM` to `KILL`, milliseconds. */
const graceMs = 2000
/**
 * Pauses before a machine is asked again whose slot is held by what may belong to a living manager: an SSH server needs
 * a moment to see that its client is gone.
 */
const pausesMs = [1000, 3000]

/**
 * Proves that an instance can serve jobs: that nothing of an earlier job is alive in its slots, and that files can be
 * written and have room. Ends what no living manager can need. Rejects with what stands in the way, for people, and as
 * `runCommand` does.
 */
export async function sweepSlots(
  connection: Connection,
  options: SweepSlotsOptions,
  signal: AbortSignal,
): Promise<void> {
  const { buildsDir, minFreeBytes = 0, claims, isLent, instanceId, clock, logger } = options
  for (const pauseMs of [...pausesMs, undefined]) {
    const report = await askForSlots(connection, options, signal)
    if (report === undefined) return
    const trouble = readDiskTrouble(report.disk, buildsDir)
    // A missing permission would be the same on every instance: jobs fail there with that as their reason.
    if (trouble !== undefined && trouble.kind !== 'permission' && trouble.kind !== 'other')
      throw new Error(trouble.message)
    const low = readLowSpace(report.disk, buildsDir, Math.ceil(minFreeBytes / 1024))
    if (low !== undefined) throw new Error(low.message)
    const held = report.held.filter((slot) => !isLent(slot.slot) && !claims.isActive(slot))
    const foreign = held.find((slot) => !claims.mayEnd(slot))
    for (const slot of held) {
      if (!claims.mayEnd(slot)) continue
      logger.warn(
        { instance: instanceId, slot: slot.slot, marker: slot.marker },
        'ending processes that an earlier job left on an instance',
      )
      await endJob(connection, slot, options, signal)
    }
    if (foreign === undefined) return
    if (pauseMs === undefined)
      throw new Error(`slot ${foreign.slot} is held by job ${foreign.marker} of another manager`)
    await delay(clock, pauseMs, signal)
  }
}

async function endJob(
  connection: Connection,
  { slot, marker }: HeldSlot,
  { buildsDir, claims, instanceId, clock }: SweepSlotsOptions,
  signal: AbortSignal,
): Promise<void> {
  const jobMarker = { name: jobMarkerName, value: marker }
  const answer = await endProcesses(connection, {
    jobMarker,
    graceMs,
    slots: { buildsDir, owner: claims.ownerOn(connection, instanceId) },
    clock,
    signal,
  })
  if (answer !== 'clean')
    throw new Error(`processes of an earlier job are still running in slot ${slot} (${answer || 'no answer'})`)
}

/** Undefined where the machine gives no such report, as one without a POSIX shell. */
async function askForSlots(
  connection: Connection,
  { buildsDir, claims, instanceId, clock }: SweepSlotsOptions,
  signal: AbortSignal,
): Promise<SlotReport | undefined> {
  const answer = new Answer()
  await runCommand(connection, {
    command: 'exec sh',
    script: slotReportScript(buildsDir, claims.ownerOn(connection, instanceId)),
    stdout: answer.take,
    isComplete: () => readSlotReport(answer.text) !== undefined,
    clock,
    signal,
  })
  return readSlotReport(answer.text)
}

/** Name of the variable that marks a job's processes. */
export const jobMarkerName = 'RUNNER_CORE_JOB'
