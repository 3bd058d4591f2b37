/** Thrown when settings cannot be used; nothing of them is in force then. */
export class InvalidSettingsError extends Error {
  override readonly name = 'InvalidSettingsError'
  readonly code = 'invalid_settings'
  /** Every problem found, each as `path: expected X, got Y`. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`invalid settings: ${problems.join('; ')}`)
    this.problems = problems
  }
}

export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

export function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0
}
