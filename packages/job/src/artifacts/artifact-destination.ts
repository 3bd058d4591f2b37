/**
 * Where a job's artifacts are kept. The runner implements it.
 *
 * @module
 */

/** What GitLab takes an archive for: `archive`, or a report such as `junit`. */
export interface ArtifactUpload {
  readonly filename: string
  /** `artifact_type`; empty: the server's default, an archive. */
  readonly type: string
  /** `artifact_format`; empty: the server's default. */
  readonly format: string
  /** `expire_in`, as the job says it; empty: the server's default. */
  readonly expireIn: string
  /** The bytes, made anew for each try. The signal aborts when they are of no use any more. */
  content(signal: AbortSignal): AsyncIterable<Buffer>
  /** Told why something is tried again, or goes elsewhere. */
  report(text: string): Promise<void>
  readonly signal: AbortSignal
}

export interface ArtifactDestination {
  /**
   * Resolves with the server's word once it has them: `201 Created`. Rejects with an {@link ArtifactUploadError}, the
   * signal's reason, and what `content` throws.
   */
  upload(upload: ArtifactUpload): Promise<string>
}

/**
 * `forbidden`: the job may not (any more) · `too_large`: more than the server takes · `failed`: anything else, after
 * all tries.
 */
export type ArtifactUploadErrorCode = 'forbidden' | 'too_large' | 'failed'

/** Why artifacts were not taken. Its message is for the job's trace: it holds no token and no signed URL. */
export class ArtifactUploadError extends Error {
  override readonly name = 'ArtifactUploadError'
  readonly code: ArtifactUploadErrorCode

  constructor(code: ArtifactUploadErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
