/** Where a command writes, a line at a time. */
export interface Output {
  /** What was asked for. */
  readonly out: (line: string) => void
  /** Problems and progress. */
  readonly err: (line: string) => void
}
