/** The part of a clock that a job needs; fleeting's `Clock` fits. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  /** Wall time, milliseconds since 1970-01-01 UTC. */
  wallTime(): number
  /** Calls back once after `delayMs`; the result cancels. */
  after(delayMs: number, callback: () => void): () => void
}
