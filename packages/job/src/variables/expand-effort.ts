/** Why a text cannot be expanded as a shell would: it is none, or it asks for what is not done here. */
export class ShellExpandError extends Error {
  override readonly name = 'ShellExpandError'
  readonly code = 'bad_expansion'
}

/** A tenth of a second, about. */
const maxSteps = 1_000_000

/**
 * How much work the texts of one job may make together: they come from the job, and it is the process of all jobs that
 * works.
 */
export class ExpandEffort {
  #steps = 0

  /**
   * `steps`: characters looked at, for each place in a pattern that they may stand for. Thrown:
   * {@link ShellExpandError} once it is too much.
   */
  spend(steps: number): void {
    this.#steps += steps
    if (this.#steps > maxSteps) throw new ShellExpandError('it takes longer than a name or a path may')
  }
}
