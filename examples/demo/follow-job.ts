import { systemClock as clock, delay } from '@runner-core/fleeting'
import { type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { deviations } from './expectation.ts'
import type { DemoJob } from './job-kinds.ts'
import type { EndedJob } from './report.ts'

const lookMs = 50
/** How long after its end a job's processes may still be seen, milliseconds. */
const endGraceMs = 3000

/**
 * Waits for a job's end, cancels it when it is one to be cancelled, and holds what came of it against what must.
 * Rejects when `signal` aborts.
 */
export async function followJob(demoJob: DemoJob, job: CoordinatorJob, signal: AbortSignal): Promise<EndedJob> {
  const { expected, cancel, mustEnd } = demoJob
  if (cancel === 'waiting') job.cancel()
  while (!job.hasEnded) {
    if (cancel === 'under way' && job.times.firstOutputAt !== undefined && job.state === 'running') job.cancel()
    await Promise.race([job.finished, delay(clock, lookMs, signal)])
  }
  const { state, failureReason, exitCode, times, assignment } = job
  const trace = job.trace.text()
  const lacks = [...expected.lacks, ...(assignment === undefined ? [] : [assignment.jobToken])]
  const found = [...deviations({ ...expected, lacks }, { state, failureReason, exitCode, trace })]
  if (mustEnd !== undefined && !(await endsSoon(mustEnd, signal))) found.push('a process that it left behind lives on')
  const { enqueuedAt, handedOutAt, firstOutputAt, endedAt = enqueuedAt } = times
  return {
    id: job.id,
    job: demoJob,
    deviations: found,
    state,
    failureReason,
    exitCode,
    waitMs: firstOutputAt === undefined ? undefined : firstOutputAt - enqueuedAt,
    busyMs: handedOutAt === undefined ? 0 : endedAt - handedOutAt,
    trace,
  }
}

async function endsSoon(commandPart: string, signal: AbortSignal): Promise<boolean> {
  const until = clock.now() + endGraceMs
  while (listProcesses().some(({ commandLine }) => commandLine.includes(commandPart))) {
    if (clock.now() > until) return false
    await delay(clock, lookMs, signal)
  }
  return true
}
