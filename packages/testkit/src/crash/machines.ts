import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { hostMachines } from '../manager/managers.ts'
import { type LedgerEntry, parseLedger, readLedger } from './ledger.ts'

export const machineKinds = ['local', 'sshd', 'docker'] as const
export type MachineKind = (typeof machineKinds)[number]

/** The machines of a load, as the configuration names them and as an onlooker sees them. */
export interface LoadMachines extends AsyncDisposable {
  /** Lines of `[[runners]]`. */
  readonly runner: string
  /** Lines of `[runners.autoscaler]`. */
  readonly autoscaler: string
  readonly maxInstances: number
  readonly slots: number
  /** Machines alive now; undefined where they are not made. */
  alive(): number | undefined
  /** Where scripts write down that they run. */
  readonly ledger: string
  entries(): readonly LedgerEntry[]
  /** Fetches what is written down on machines that may go. */
  collect(): void
}

/** Why machines of a kind cannot be had here; undefined when they can. */
export async function machinesMissing(kind: MachineKind): Promise<string | undefined> {
  if (kind === 'sshd') return sshdMissing()
  return kind === 'docker' ? await dockerMissing(image) : undefined
}

const image = 'runner-core-sshd'
/** The disk that fills is smaller than what a machine must have by default. */
const room = 'min_free_space = "1MB"'

/** `machineDirectory`: where those that are processes of this computer keep their files. */
export async function startMachines(
  kind: MachineKind,
  folder: string,
  machineDirectory: string,
): Promise<LoadMachines> {
  const ledger = join(folder, 'ledger')
  mkdirSync(ledger)
  const onThisComputer = { ledger, entries: () => readLedger(ledger), collect() {} }
  if (kind === 'local') {
    return {
      ...onThisComputer,
      runner: room,
      autoscaler: `plugin = "local"\nplugin_config = { root_dir = "${machineDirectory}" }`,
      maxInstances: 5,
      slots: 2,
      alive: () => livingLocal(machineDirectory),
      [Symbol.asyncDispose]: async () => {},
    }
  }
  if (kind === 'sshd') {
    const sshd = await startSshd()
    return {
      ...onThisComputer,
      runner: `builds_dir = "${join(machineDirectory, 'builds')}"\n${room}`,
      autoscaler: hostMachines(folder, sshd),
      maxInstances: 1,
      slots: 10,
      alive: () => undefined,
      [Symbol.asyncDispose]: () => sshd.stop(),
    }
  }
  return dockerMachines()
}

function dockerMachines(): LoadMachines {
  const docker = (...args: string[]): string =>
    execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const ids = (...flags: string[]): readonly string[] =>
    docker('ps', '--no-trunc', '-q', ...flags, '--filter', 'label=runner-core.fleet=crash')
      .split('\n')
      .filter(Boolean)
  const ledger = '/tmp/ledger'
  /** By container, what its ledger said last: a container that has gone says nothing any more. */
  const seen = new Map<string, readonly LedgerEntry[]>()
  return {
    runner: '',
    autoscaler: `plugin = "docker"\nplugin_config = { image = "${image}" }`,
    maxInstances: 3,
    slots: 3,
    alive: () => ids().length,
    ledger,
    entries: () => [...seen.values()].flat(),
    collect() {
      for (const id of ids()) {
        try {
          const text = docker(
            'exec',
            id,
            'sh',
            '-c',
            `cd ${ledger} 2>/dev/null && for file in *; do echo "job $file"; cat "$file"; done`,
          )
          seen.set(
            id,
            text
              .split(/^job /m)
              .slice(1)
              .flatMap((part) => parseLedger(Number.parseInt(part, 10), part)),
          )
        } catch {} // It is just going, or has no ledger yet.
      }
    },
    async [Symbol.asyncDispose]() {
      for (const id of ids('-a')) docker('rm', '-f', id)
    },
  }
}

function livingLocal(directory: string): number {
  return globSync('**/machine.json', { cwd: directory }).filter((file) => {
    try {
      const { pid } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { pid: number }
      process.kill(pid, 0)
      return true
    } catch {
      return false // gone, or not yet written whole
    }
  }).length
}
