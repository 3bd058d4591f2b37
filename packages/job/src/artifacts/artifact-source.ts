/**
 * Where artifacts of earlier jobs are got. The runner implements it.
 *
 * @module
 */
import type { JobDependency } from '../job-payload.ts'

export interface ArtifactDownload {
  /** The coordinator may answer with where else they are, such as a bucket, instead of sending them itself. */
  readonly mayBeElsewhere: boolean
  readonly signal: AbortSignal
}

export interface ArtifactSource {
  /**
   * The archive as it comes. Rejects with an {@link ArtifactDownloadError}, as its bytes do, and with the signal's
   * reason.
   */
  download(dependency: Pick<JobDependency, 'id' | 'token'>, download: ArtifactDownload): Promise<AsyncIterable<Buffer>>
}

/**
 * `unauthorized`, `forbidden`, `not_found`: the coordinator's answers 401, 403, 404, which another try would not change
 * · `failed`: anything else.
 */
export type ArtifactDownloadErrorCode = 'unauthorized' | 'forbidden' | 'not_found' | 'failed'

/** Why artifacts could not be had. Its message is for the job's trace: it holds no token and no signed URL. */
export class ArtifactDownloadError extends Error {
  override readonly name = 'ArtifactDownloadError'
  readonly code: ArtifactDownloadErrorCode

  constructor(code: ArtifactDownloadErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
