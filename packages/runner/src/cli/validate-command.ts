import { loadRunnable } from '../config/load-config.ts'
import { describeProblem } from '../config/problem.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/** `runner-core validate`. Thrown: `ConfigError`, where nothing could run. */
export async function validate(
  file: string,
  options: { readonly allowIgnored: readonly string[] },
  output: Output,
): Promise<number> {
  const { settings, warnings, advice, refused } = await loadRunnable(file, options)
  for (const warning of [...warnings, ...advice]) output.err(`warning: ${describeProblem(warning, file)}`)
  for (const problem of refused.flatMap(({ problems }) => problems))
    output.err(`error: ${describeProblem(problem, file)}`)
  const { length } = settings.runners
  if (refused.length > 0) {
    output.out(
      `${file}: ${refused.length} of ${length + refused.length} runners ${refused.length === 1 ? 'is' : 'are'} refused, the others would run`,
    )
    return exitCode.failed
  }
  output.out(`${file}: valid, ${length} ${length === 1 ? 'runner' : 'runners'}`)
  return exitCode.ok
}
