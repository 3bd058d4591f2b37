import { loadConfig } from '../config/load-config.ts'
import { describeProblem } from '../config/problem.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/** `runner-core validate`. Thrown: `ConfigError`. */
export async function validate(file: string, output: Output): Promise<number> {
  const { settings, warnings, advice } = await loadConfig(file)
  for (const warning of [...warnings, ...advice]) output.err(`warning: ${describeProblem(warning, file)}`)
  const { length } = settings.runners
  output.out(`${file}: valid, ${length} ${length === 1 ? 'runner' : 'runners'}`)
  return exitCode.ok
}
