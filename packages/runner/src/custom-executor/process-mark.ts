import { readFileSync } from 'node:fs'

/** A process, told from later ones of the same number by when it began, where the system says so. */
export interface ProcessMark {
  readonly pid: number
  readonly startedAt?: string | undefined
}

export function markProcess(pid: number): ProcessMark {
  return { pid, startedAt: startTime(pid) }
}

/** False once it has ended. */
export function isAlive({ pid, startedAt }: ProcessMark): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // It is there, and somebody else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return startTime(pid) === startedAt
}

/** Linux only: the 22nd field of `/proc/PID/stat`; the name before it may hold anything. A zombie has ended. */
function startTime(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
