import { delay, systemClock } from '@runner-core/fleeting'
import type { CoordinatorJob } from '@runner-core/runner/testing'

const lookMs = 200

/** Writes a job's log to the standard output as it comes, until the job has ended. */
export async function showJob(job: CoordinatorJob): Promise<void> {
  let shown = 0
  do {
    await Promise.race([job.finished, delay(systemClock, lookMs)])
    const bytes = job.trace.bytes()
    process.stdout.write(bytes.subarray(shown))
    shown = bytes.length
  } while (!job.hasEnded)
}
