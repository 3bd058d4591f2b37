import type { FailureReason } from './failure-reason.ts'

/**
 * Why a job did not succeed, for machines.
 *
 * - `script_failed`: a command of the job's script failed; `exitCode` says how.
 * - `timeout`: the job took longer than its time limit.
 * - `script_timeout`: the script took longer than `RUNNER_SCRIPT_TIMEOUT`.
 * - `canceled`: the job was canceled.
 * - `interrupted`: the runner was stopped.
 * - `unsupported`: the job needs something that this runner cannot do.
 * - `invalid_job`: the job's script, variables or repository hold something that no shell or no git can be given, or
 *   what it gives as the name of an image is none.
 * - `not_allowed`: the runner's configuration does not allow what the job asks for, such as an image: the message names
 *   the list.
 * - `image_unavailable`: an image could not be pulled, or does not exist.
 * - `limit_exceeded`: the job needs more of this process than one job may have: the message names the field and the
 *   bound.
 * - `unsupported_shell`: the executor is configured with a shell that no scripts are generated for.
 * - `shell_missing`: the machine could not start the shell.
 * - `prepare_failed`: the build directory or a file variable could not be written.
 * - `machine_unwritable`: the machine's disk is full, has too little room, is over quota or read-only: nothing of the
 *   job's own has begun.
 * - `machine_occupied`: something of another job may be alive in the job's slot: nothing of the job's own has begun.
 * - `git_missing`: the machine has no git.
 * - `sources_failed`: git could not get the sources.
 * - `dependencies_failed`: artifacts of an earlier job could not be had.
 * - `artifacts_failed`: the job's artifacts could not be uploaded.
 * - `environment_lost`, `environment_failed`: the machine or the connection to it was lost, or could not do what was
 *   asked.
 * - `internal`: a fault of this runner.
 */
export type JobErrorCode =
  | 'script_failed'
  | 'timeout'
  | 'script_timeout'
  | 'canceled'
  | 'interrupted'
  | 'unsupported'
  | 'invalid_job'
  | 'not_allowed'
  | 'image_unavailable'
  | 'limit_exceeded'
  | 'unsupported_shell'
  | 'shell_missing'
  | 'prepare_failed'
  | 'machine_unwritable'
  | 'machine_occupied'
  | 'git_missing'
  | 'sources_failed'
  | 'dependencies_failed'
  | 'artifacts_failed'
  | 'environment_lost'
  | 'environment_failed'
  | 'internal'

export interface JobErrorOptions {
  /** The script's own exit code; only with `script_failed`. */
  readonly exitCode?: number
  readonly cause?: unknown
}

/**
 * Ends a job with a reason of its choice: thrown within a job, by an executor that prepares a place for one, or as the
 * reason of an abort.
 */
export class JobError extends Error {
  override readonly name = 'JobError'
  readonly code: JobErrorCode
  /** What the coordinator is told. */
  readonly reason: FailureReason
  readonly exitCode: number | undefined

  constructor(code: JobErrorCode, reason: FailureReason, message: string, options: JobErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.reason = reason
    this.exitCode = options.exitCode
  }
}
