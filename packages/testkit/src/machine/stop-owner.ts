import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as after } from 'node:timers/promises'

/**
 * Stops the process that owns the fleet of `directory`, either between two writes or in the middle of one. A process
 * that is stopped within a write keeps the file locked: the next owner waits until it continues.
 */
export async function stopOwner(
  process: ChildProcess,
  directory: string,
  when: 'between writes' | 'within a write',
): Promise<void> {
  for (;;) {
    process.kill('SIGSTOP')
    // Its threads stop one after the other, and may still begin a write or end one.
    while (!hasStopped(process.pid!)) await after(1)
    if (isLocked(directory) === (when === 'within a write')) return
    process.kill('SIGCONT')
    await after(Math.random() * 5)
  }
}

function hasStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    / T \d/.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  )
}

function isLocked(directory: string): boolean {
  const database = new DatabaseSync(join(directory, 'state.db'), { timeout: 0 })
  try {
    database.exec('BEGIN IMMEDIATE')
    return false
  } catch {
    return true
  } finally {
    database.close()
  }
}
