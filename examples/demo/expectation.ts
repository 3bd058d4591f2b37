/** How a job must end. */
export interface Expectation {
  readonly state: 'success' | 'failed' | 'canceled'
  /** Only with `failed`. */
  readonly failureReason?: string
  /** The script's own exit code; absent: none may be reported. */
  readonly exitCode?: number
  /** Texts that the trace must have, in this order. */
  readonly has: readonly string[]
  /** Texts that the trace must not have. */
  readonly lacks: readonly string[]
}

/** How it ended. */
export interface Observation {
  readonly state: string
  readonly failureReason: string | undefined
  readonly exitCode: number | undefined
  readonly trace: string
}

/** Every way in which a job did not end as it must, worded for people; none when all is well. */
export function deviations(
  expected: Expectation,
  { state, failureReason, exitCode, trace }: Observation,
): readonly string[] {
  const found: string[] = []
  if (state !== expected.state) found.push(`state: expected ${expected.state}, got ${state}`)
  if (expected.state === 'failed' && failureReason !== expected.failureReason) {
    found.push(`failure reason: expected ${expected.failureReason}, got ${failureReason}`)
  }
  // 0 says no more than nothing: runners leave it out.
  if ((exitCode ?? 0) !== (expected.exitCode ?? 0))
    found.push(`exit code: expected ${expected.exitCode ?? 'none'}, got ${exitCode ?? 'none'}`)
  let from = 0
  for (const text of expected.has) {
    const at = trace.indexOf(text, from)
    if (at < 0)
      found.push(`trace: expected ${excerpt(text)}${trace.includes(text) ? ' after what comes before it' : ''}`)
    else from = at + text.length
  }
  for (const text of expected.lacks) if (trace.includes(text)) found.push(`trace: ${excerpt(text)} must not be in it`)
  return found
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** The end of a job in a few words: `failed · script_failure · exit 3`. */
export function wordOutcome({ state, failureReason, exitCode }: Partial<Omit<Observation, 'trace'>>): string {
  return [state, failureReason, exitCode === undefined ? undefined : `exit ${exitCode}`]
    .filter((part) => part !== undefined)
    .join(' · ')
}
