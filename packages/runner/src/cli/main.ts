import { describeError } from '@runner-core/fleeting'
import { CommanderError } from 'commander'
import { ConfigError, describeProblem } from '../config/problem.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { processOutput } from './process-output.ts'
import { createProgram } from './program.ts'

/** Runs one command line and answers the exit code. `args` are the words after the program's name. */
export async function main(args: readonly string[], output: Output = processOutput): Promise<number> {
  let result: number = exitCode.ok
  const program = createProgram(output, (code) => {
    result = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return result
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.badInput
    if (error instanceof ConfigError) {
      for (const problem of error.problems) output.err(`error: ${describeProblem(problem, error.file)}`)
      return exitCode.badInput
    }
    output.err(`error: ${describeError(error)}`)
    return exitCode.failed
  }
}
