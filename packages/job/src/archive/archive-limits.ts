/** What an archive may come to. An archive comes from whoever could run a job, so none of it is believed. */
export interface ArchiveLimits {
  /** Bytes of the archive itself, which is kept in a temporary file on the manager. Default 32 GiB. */
  readonly archiveBytes: number
  /** Bytes of all its files together. Default 128 GiB. */
  readonly contentBytes: number
  /** Default 500,000. The manager keeps about 300 bytes of memory for each while it unpacks. */
  readonly entries: number
  /**
   * How many times the archive's bytes its files may come to, once they are more than 1 GiB. Default 200: deflate makes
   * text 3 to 30 times smaller, zeros 1,000 times.
   */
  readonly ratio: number
}

export const defaultArchiveLimits: ArchiveLimits = {
  archiveBytes: 32 * 2 ** 30,
  contentBytes: 128 * 2 ** 30,
  entries: 500_000,
  ratio: 200,
}

/** Until an archive's files come to this, it may be as well compressed as it likes. */
export const ratioFreeBytes: number = 2 ** 30
