import { readdirSync, readFileSync } from 'node:fs'

/**
 * In the environment of everything that runs on an instance: its id. What forks twice or leaves its session is found by
 * it.
 */
export const instanceMarker = 'FLEETING_PLUGIN_LOCAL_INSTANCE'

/** Ids of the processes that run on an instance. Linux only: none elsewhere. */
export function processesOf(instanceId: string): number[] {
  return processIds().filter((pid) => `\0${environmentOf(pid)}`.includes(`\0${instanceMarker}=${instanceId}\0`))
}

/** Kills what runs on an instance until nothing is left. False when something could not be killed. */
export async function endProcessesOf(instanceId: string): Promise<boolean> {
  // What is found may have forked before it died: look again. A killed process shows no environment any more.
  for (let round = 0; round < 100; round += 1) {
    const pids = processesOf(instanceId)
    if (pids.length === 0) return true
    for (const pid of pids) kill(pid)
    await new Promise(setImmediate)
  }
  return false
}

/** Kills a process, or a process group by its negative number. Nothing happens when it has ended. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number)
  } catch {
    return []
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return '' // It ended, or belongs to somebody else.
  }
}
