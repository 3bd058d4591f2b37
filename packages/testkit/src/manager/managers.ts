import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listProcesses } from '@runner-core/runner/testing'
import type { Sshd } from '@runner-core/testkit/ssh/openssh-server'
import { type BinRun, startBin } from './bin.ts'

/**
 * Managers of one configuration, real processes that a test starts and kills, in a folder of their own. Disposing ends
 * them, every process that names the folder, and the folder.
 */
export class Managers implements AsyncDisposable {
  readonly folder: string
  /** All that were started. */
  readonly runs: BinRun[] = []
  readonly #configFile: string
  readonly #env: NodeJS.ProcessEnv

  /** `env`: of each, besides this process's own. */
  constructor(name: string, env: NodeJS.ProcessEnv = {}) {
    this.#env = { ...process.env, ...env }
    this.folder = mkdtempSync(join(tmpdir(), `runner-core-${name}-`))
    this.#configFile = join(this.folder, 'config.toml')
  }

  configure(config: string): void {
    writeFileSync(this.#configFile, config)
  }

  start(...options: string[]): BinRun {
    return this.startWith({}, ...options)
  }

  /** `env`: of this one, besides that of all. */
  startWith(env: NodeJS.ProcessEnv, ...options: string[]): BinRun {
    const run = startBin(['run', '--config', this.#configFile, ...options], { env: { ...this.#env, ...env } })
    this.runs.push(run)
    return run
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.runs) await kill(run)
    for (const { pid, environment, commandLine } of listProcesses()) {
      if (`${environment} ${commandLine}`.includes(this.folder)) killIfThere(pid)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export async function kill(run: BinRun): Promise<void> {
  run.process.kill('SIGKILL')
  await run.ended
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

export interface FleetConfig {
  readonly name: string
  readonly url: string
  readonly token: string
  /** Lines of the top level. */
  readonly top?: string
  /** Lines of `[[runners]]`. */
  readonly runner?: string
  /** Lines of `[runners.autoscaler]`: the plugin and its settings. */
  readonly machines: string
  /** Of the one instance. Default 4. */
  readonly slots?: number
}

/** A runner with one instance, which stays. */
export function fleetConfig({ name, url, token, top = '', runner = '', machines, slots = 4 }: FleetConfig): string {
  return `concurrent = ${slots}
${top}
[[runners]]
name = "${name}"
url = "${url}"
token = "${token}"
executor = "instance"
${runner}
[runners.autoscaler]
${machines}
capacity_per_instance = ${slots}
max_instances = 1
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_time = "1h"
`
}

/**
 * `machines` of {@link fleetConfig}: one host with OpenSSH, at its own port or another one that leads there. The
 * login's key is written into `folder`.
 */
export function hostMachines(
  folder: string,
  { username, privateKey, hostKey, ...sshd }: Sshd,
  port: number = sshd.port,
): string {
  const keyFile = join(folder, 'key')
  writeFileSync(keyFile, privateKey, { mode: 0o600 })
  return `plugin = "static"
plugin_config = { instances = { a = { internal_addr = "127.0.0.1:${port}", username = "${username}", key_path = "${keyFile}", host_key = "${hostKey}" } } }`
}

/** `machines` of {@link fleetConfig}: plugin `local`. */
export function localMachines(folder: string): string {
  return `plugin = "local"\nplugin_config = { root_dir = "${join(folder, 'instances')}" }`
}
