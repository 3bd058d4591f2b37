import type { JobEnvironment, JobPayload, PrepareLog } from '@runner-core/job'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'

export interface PrepareOptions {
  /** Writes a line to the job's trace: why it has no place yet. */
  readonly report: (line: string) => void
  /** Says in the trace what is done for the place. @defaultValue nothing is said */
  readonly log?: PrepareLog | undefined
  /** Aborts when the job ends before it began: `prepare` rejects with its reason, and nothing is left of the job. */
  readonly signal: AbortSignal
  /**
   * What GitLab sent: an executor may need its image, services and variables before there is a place. Absent: the
   * scripts come from another runner; an executor that needs the job rejects.
   */
  readonly job?: JobPayload | undefined
  /** Whose job it is. Absent: no project in particular; what the job leaves is not kept from others. */
  readonly project?: string | undefined
  /**
   * The job had a place and lost it: the reservation has ended, and another slot is claimed, with the same priority.
   * @defaultValue false
   */
  readonly again?: boolean
}

/** A job's place. */
export interface PreparedPlace {
  readonly instanceId: string
  /** Key of the acquisition that it is. */
  readonly acquisitionKey: string
  /**
   * Aborts when the cloud takes the instance away and the job is best ended now, while it can be; see
   * `Acquisition.ending`.
   */
  readonly ending: AbortSignal
  readonly environment: JobEnvironment
  /**
   * Returns the place once the job has ended. When something of the job may still run, its instance gets no more jobs,
   * and the slot is only released after another attempt to end it, which this does not wait for: see
   * {@link JobExecutor.sweepsEnded}. Idempotent.
   */
  release(): Promise<void>
  /**
   * Removes what the job left on the instance, soon. To be called once nothing of it is needed to resume the job: when
   * its result was reported, or reporting it is given up.
   */
  wipe(): void
}

/** Prepares places for jobs: on which instance, in which environment, and how a place is returned. */
export interface JobExecutor {
  /** What jobs may ask for there, of the parts that not every executor has: see `JobPayload.unsupported`. */
  readonly supports: readonly string[]
  /**
   * Turns a reservation into a place for one job; without one, a slot is claimed first, as soon as there is any. An
   * instance that cannot be reached gets no jobs until it can, and the job takes another. However it ends, the
   * reservation is over. Rejects with the signal's reason; with `EnvironmentError` `failed` when the time is over or no
   * instance can be reached as configured; with `JobError` `interrupted` when the scaler shuts down.
   */
  prepare(reservation: Reservation | undefined, options: PrepareOptions): Promise<PreparedPlace>
  /**
   * Reserves what a job that an earlier manager left has on its instance, which `handle` describes
   * (`JobEnvironment.handle`), until {@link resume}. To be called for all of them before the first new job is prepared.
   */
  hold(handle: unknown): void
  /**
   * Returns the place of a job that an earlier manager left, which `acquisition` lends again and `handle` describes.
   * Waits for an instance that is out of reach as long as under a script. Rejects with `EnvironmentError`; the
   * acquisition is released then.
   */
  resume(acquisition: Acquisition, handle: unknown, job: JobPayload): Promise<PreparedPlace>
  /**
   * Removes from now on, beside the jobs, what is left on instances of jobs that have ended, also those of an earlier
   * manager. To be called once, after the last {@link hold}. Absent: that is done before an instance is ready.
   */
  sweepLeft?(): void
  /**
   * Resolves when nothing that jobs left is being ended or removed any more: within 15 s of the last release. Until
   * then the slots of those jobs are lent, and their instances cannot be removed.
   */
  sweepsEnded(): Promise<void>
}
