/** Work that waits somewhere else: a queue's length, a broker's backlog, what GitLab says is queued for a runner. */
export interface DemandSource {
  /** Named in the plan's reasons. */
  readonly name: string
  /** Jobs waiting there that do not hold a reservation here. Called on every pass: answer from memory. */
  depth(): number
  /**
   * Optional: calls `wake` when the depth changed. Only a hint: depth is read on every pass anyway. Returns how to
   * stop.
   */
  onChange?(wake: () => void): () => void
}
