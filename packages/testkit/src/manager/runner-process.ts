import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { delimiter, dirname } from 'node:path'

/** A runner as a process of its own, as it is beside a real GitLab server. */
export interface RunnerProcess extends AsyncDisposable {
  readonly pid: number
  /** Resident memory now and at its highest, MiB; 0 where the system does not tell. */
  memory(): { readonly rssMb: number; readonly peakMb: number }
  /** Rejects when the runner ends by itself. */
  readonly ended: Promise<never>
}

/** Starts a runner; what it prints goes to `logFile`. Disposing asks it to stop, and makes it after ten seconds. */
export function startRunner(command: string, args: readonly string[], logFile: string): RunnerProcess {
  const log = openSync(logFile, 'w')
  // Whoever starts `node` gets the one that runs this.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` }
  const child = spawn(command, args, { stdio: ['ignore', log, log], env })
  closeSync(log)
  const exited = once(child, 'exit')
  const ended = exited.then(([code, signal]): never => {
    throw new Error(`the runner ended (${signal ?? code}):\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
  })
  ended.catch(() => {})
  return {
    pid: child.pid ?? 0,
    ended,
    memory() {
      const field = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(statusOf(child.pid ?? 0))?.[1] ?? 0) / 1024
      return { rssMb: field('VmRSS'), peakMb: field('VmHWM') }
    },
    async [Symbol.asyncDispose]() {
      const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
      child.kill('SIGTERM')
      await exited
      clearTimeout(force)
    },
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}
