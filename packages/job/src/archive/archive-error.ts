/**
 * Why an archive was refused.
 *
 * - `unsafe`: a name, a link or a kind of entry that would write, or lead, where an archive has no business.
 * - `too_large`: more bytes or entries than the limits allow, or a bomb.
 * - `damaged`: cut short, a checksum that does not fit, or parts that contradict each other.
 * - `unsupported`: a format, compression or encryption that is not read here.
 * - `no_space`: the manager's disk is full: the archive could not be kept there.
 */
export type ArchiveErrorCode = 'unsafe' | 'too_large' | 'damaged' | 'unsupported' | 'no_space'

/** Thrown when an archive is not unpacked. Names in the message are quoted: they may hold anything. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
  readonly code: ArchiveErrorCode

  constructor(code: ArchiveErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }
}
