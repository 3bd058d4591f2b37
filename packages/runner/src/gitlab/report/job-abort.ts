/** Why a job must stop: `canceling` after its `after_script`, the others at once. */
export type JobAbortCode = 'canceling' | 'canceled' | 'dropped' | 'refused'

const wordings: Readonly<Record<JobAbortCode, string>> = {
  canceling: 'the job was canceled',
  canceled: 'the job was canceled at once',
  dropped: 'the coordinator gave up on the job',
  refused: 'the coordinator accepts no more updates of the job',
}

/** The reason of the signals of a {@link JobReporter}. */
export class JobAbort extends Error {
  override readonly name = 'JobAbort'
  readonly code: JobAbortCode

  constructor(code: JobAbortCode) {
    super(wordings[code])
    this.code = code
  }
}
