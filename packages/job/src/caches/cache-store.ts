/**
 * Where caches are kept that all machines share. The runner implements it; without one, each machine keeps its own.
 *
 * @module
 */

/** What a cache is found again by. */
export interface CacheName {
  readonly projectId: number
  /** Sanitized: segments with `/` between, none of them `.` or `..`. */
  readonly key: string
}

export interface CacheArchive {
  /** Read once. */
  readonly content: AsyncIterable<Buffer>
  /** Of what is in it: letters and digits. */
  readonly digest: string
}

export interface CacheStore {
  /**
   * The archive as it was when it was opened; undefined when there is none. Rejects with a {@link CacheError}, as its
   * bytes do, and with the signal's reason.
   */
  download(name: CacheName, signal: AbortSignal): Promise<AsyncIterable<Buffer> | undefined>
  /**
   * The digest that the archive under this name was kept with; undefined where there is none, or where it cannot be
   * known. Rejects as `download` does.
   */
  digest(name: CacheName, signal: AbortSignal): Promise<string | undefined>
  /**
   * Keeps an archive in place of what was there: as a whole or not at all. Rejects with a {@link CacheError}, the
   * signal's reason, and what `content` throws.
   */
  upload(name: CacheName, archive: CacheArchive, signal: AbortSignal): Promise<void>
}

/**
 * `unreachable`: no answer · `refused`: the store did not do it, and would not later · `failed`: it could not do it now
 * · `too_large`: more than the configuration lets us keep.
 */
export type CacheErrorCode = 'unreachable' | 'refused' | 'failed' | 'too_large'

/**
 * Why a cache could not be had or kept. Its message is for the job's trace: it holds no URL and no key of the store.
 */
export class CacheError extends Error {
  override readonly name = 'CacheError'
  readonly code: CacheErrorCode

  constructor(code: CacheErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
