import { loadRunnable } from '../config/load-config.ts'
import { readStatus } from '../status/read-records.ts'
import { statusLines } from '../status/status-lines.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/** How long a manager may take to answer. */
const timeoutMs = 10_000

/** `runner-core status`. Thrown: `ConfigError`, `NoManagerError`. */
export async function status(
  file: string,
  { json, allowIgnored }: { readonly json: boolean; readonly allowIgnored: readonly string[] },
  output: Output,
): Promise<number> {
  const { settings } = await loadRunnable(file, { allowIgnored })
  const wallTime = (): number => Date.now()
  const answer = await readStatus({ settings, wallTime, signal: AbortSignal.timeout(timeoutMs) })
  if (json) output.out(JSON.stringify({ isRunning: answer.isRunning, ...answer.status }, undefined, 2))
  else
    for (const line of statusLines(answer.status, { isRunning: answer.isRunning, wallTime: wallTime() }))
      output.out(line)
  return exitCode.ok
}
