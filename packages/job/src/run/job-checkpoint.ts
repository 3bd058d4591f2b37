import type { FailureReason } from '../failure-reason.ts'
import type { JobErrorCode } from '../job-error.ts'
import type { LogRecord } from './job-log.ts'

/**
 * What another manager needs, beside the job as GitLab handed it out, to go on with a job whose scripts outlive their
 * manager. JSON. It holds text as it was before masking, and what tells the script's word from the job's: to be kept
 * like the job's token.
 */
export interface JobCheckpoint extends LogRecord {
  /** Wall time, milliseconds. */
  readonly startedAt: number
  /**
   * How long the job had taken then, milliseconds, whatever was done to clocks: its time limits count from this.
   * Absent: kept by a version that trusted the wall clock.
   */
  readonly elapsedMs?: number
  /** The same of the job's own script, once it has begun. */
  readonly scriptBegunAt?: number
  /** `JobEnvironment.handle`; null where there is none, as before the job has a place. */
  readonly environment: unknown
  /**
   * The scripts that were started, or were about to be. None: nothing of the job has begun, so it can begin anew
   * anywhere.
   */
  readonly scripts: readonly ScriptCheckpoint[]
  /** The stages that moved files and are over: one that is not is done again. Absent: none. */
  readonly fileStages?: readonly FileStageCheckpoint[]
}

export interface ScriptCheckpoint {
  readonly nonce: string
  /** Wall time, milliseconds. */
  readonly startedAt: number
  /** How long the job had taken when it was started: see `JobCheckpoint.elapsedMs`. */
  readonly elapsedMs?: number
  /** Present when it is over, with all that it had started. */
  readonly end?: {
    /** Bytes of its output that were read. */
    readonly readBytes: number
    readonly failure?: PastFailure
    readonly isCleaned: boolean
  }
}

export interface FileStageCheckpoint {
  /** How far it moved the log's position. */
  readonly events: number
  readonly failure?: PastFailure
}

export interface PastFailure {
  readonly code: JobErrorCode
  readonly reason: FailureReason
  readonly message: string
  readonly exitCode?: number
}

/** A script that is to be started once it is known to another manager. */
export interface ScriptStart {
  /** The script is not to be started any more. */
  readonly signal: AbortSignal
  /** Takes lines for the log: why it does not start yet. */
  readonly report: (line: string) => void
}

export type OnCheckpoint = (take: () => JobCheckpoint, start?: ScriptStart) => void | Promise<void>
