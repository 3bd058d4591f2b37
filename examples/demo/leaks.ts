import { existsSync, readdirSync } from 'node:fs'
import { listProcesses } from '@runner-core/runner/testing'

/**
 * Everything of the demo that is still there, each worded for people: what this process started, what runs in one of
 * its instances' homes below `folder`, and what is left of those homes. Looked for in the system itself; the runner is
 * not asked.
 */
export function findLeaks(folder: string): readonly string[] {
  const processes = listProcesses().filter(
    ({ parentPid, environment, commandLine }) =>
      parentPid === process.pid || `${environment} ${commandLine}`.includes(folder),
  )
  const files = existsSync(folder) ? readdirSync(folder) : []
  return [
    ...processes.map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`),
    ...files.map((file) => `directory ${file}`),
  ]
}
