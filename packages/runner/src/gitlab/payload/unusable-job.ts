import { crc32 } from 'node:zlib'
import type { Logger } from '@runner-core/fleeting'
import type { JobCredentials } from './parse-job.ts'

/** What a client of the job API must do for it: see `JobApiClient`. */
export interface FailingClient {
  updateJob(
    job: JobCredentials,
    update:
      | { readonly state: 'running' }
      | {
          readonly state: 'failed'
          readonly failureReason: 'runner_system_failure'
          readonly output: { readonly crc32: number; readonly bytes: number }
        },
    signal?: AbortSignal,
  ): Promise<{ readonly status: number; readonly message?: string | undefined }>
  patchTrace(
    job: JobCredentials,
    piece: { readonly start: number; readonly bytes: Buffer; readonly isDebugTrace: boolean },
    signal?: AbortSignal,
  ): Promise<unknown>
}

/**
 * Fails a job that was handed out but cannot be understood, with the reasons as its trace: left alone it would hang on
 * the server until that loses patience, and then be handed out again. Never rejects: there is nothing more to be done,
 * also when `signal` aborts.
 */
export async function failUnusableJob(
  client: FailingClient,
  job: JobCredentials,
  problems: readonly string[],
  logger: Logger,
  signal?: AbortSignal,
): Promise<void> {
  const lines = problems.map((problem) => `  ${problem}\n`).join('')
  const bytes = Buffer.from(
    `\x1b[31;1mERROR: Job failed (system failure): the runner cannot understand this job:\n${lines}\x1b[0;m`,
  )
  try {
    await client.updateJob(job, { state: 'running' }, signal)
    await client.patchTrace(job, { start: 0, bytes, isDebugTrace: false }, signal)
    const output = { crc32: crc32(bytes, 0), bytes: bytes.length }
    const { status, message } = await client.updateJob(
      job,
      { state: 'failed', failureReason: 'runner_system_failure', output },
      signal,
    )
    if (status !== 200) logger.warn({ job: job.id, status, message }, 'unusable job could not be reported as failed')
  } catch (error) {
    logger.warn({ job: job.id, error }, 'unusable job could not be reported as failed')
  }
}
