/** How the program ends. */
export const exitCode = {
  /** Done; for `run`: stopped by a signal, in order. */
  ok: 0,
  /** Something failed at run time, or `run` could not stop in order within its time. */
  failed: 1,
  /** Bad input: the command line or the configuration. Nothing was started. */
  badInput: 2,
  /**
   * `run` with state: an unexpected error ended the process at once. Jobs continue on their instances, and the next
   * start resumes them.
   */
  crashed: 3,
} as const
