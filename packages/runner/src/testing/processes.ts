import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A process of this machine, those in containers included. */
export interface Process {
  readonly pid: number
  readonly parentPid: number
  readonly commandLine: string
  /** `NAME=value` pairs; empty where the system does not show them. */
  readonly environment: string
}

/** All processes that are alive; those that have ended and wait for their parent are not. */
export function listProcesses(): readonly Process[] {
  return process.platform === 'linux' ? fromProc() : fromPs()
}

function fromProc(): readonly Process[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    const read = (file: string): string => readFileSync(`/proc/${name}/${file}`, 'utf8').replaceAll('\0', ' ').trim()
    try {
      const commandLine = read('cmdline')
      if (commandLine === '') return [] // a kernel thread, or one that has ended
      const parentPid = Number(/^PPid:\s+(\d+)/m.exec(read('status'))?.[1])
      return [{ pid: Number(name), parentPid, commandLine, environment: read('environ') }]
    } catch {
      return [] // ended meanwhile, or somebody else's
    }
  })
}

function fromPs(): readonly Process[] {
  const lines = execFileSync('ps', ['-Axww', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' }).split('\n')
  return lines.flatMap((line) => {
    const [, pid, parentPid, commandLine = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return pid === undefined ? [] : [{ pid: Number(pid), parentPid: Number(parentPid), commandLine, environment: '' }]
  })
}
