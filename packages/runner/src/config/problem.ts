/** Something about a configuration that an operator should see. */
export interface Problem {
  /**
   * Where, in the file's own words: `runners[0].autoscaler.policy[1].idle_count`. Empty when it concerns the file as a
   * whole.
   */
  readonly path: string
  /** `expected X, got Y`. */
  readonly message: string
  /** Line of the file, from 1, where it is known. */
  readonly line?: number
}

/** One line for people: `config.toml:12: runners[0].url: expected X, got Y`. */
export function describeProblem({ path, message, line }: Problem, file: string): string {
  const place = line === undefined ? file : `${file}:${line}`
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`
}

/** Thrown when a configuration cannot be used. Carries every problem found, not just the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'invalid_config'
  readonly file: string
  readonly problems: readonly Problem[]

  constructor(file: string, problems: readonly Problem[], options: { readonly cause?: unknown } = {}) {
    super(
      problems.map((problem) => describeProblem(problem, file)).join('\n'),
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.file = file
    this.problems = problems
  }
}
