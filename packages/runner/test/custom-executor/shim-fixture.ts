import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listProcesses } from '@runner-core/runner/testing'
import { type StockJob, StockRun, type StockRunnerOptions } from './stock-runner.ts'

/** What GitLab Runner is to call. */
export const client: string = fileURLToPath(new URL('../../bin/custom-executor.cjs', import.meta.url))

export interface ShimFixtureOptions {
  /** Lines of `[[runners]]`. */
  readonly runner?: string
  /** Lines of `[runners.autoscaler]`. */
  readonly autoscaler?: string
  readonly stateDir?: boolean
  /** More options of the driver. */
  readonly options?: readonly string[]
}

/** A line of the daemon's log. */
export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

/**
 * A configuration on plugin `local` whose daemon the calls begin, and a stand-in for GitLab Runner's helper on its
 * machines.
 */
export class ShimFixture implements AsyncDisposable {
  readonly folder: string
  readonly config: string
  readonly directory: string
  /** Where the helper's stand-in leaves what jobs upload. */
  readonly uploads: string
  /** The machines' `gitlab-runner`. */
  readonly helper: string
  readonly #options: StockRunnerOptions

  constructor({ runner = '', autoscaler = '', stateDir = false, options = [] }: ShimFixtureOptions = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'rc-shim-'))
    this.folder = folder
    this.config = join(folder, 'config.toml')
    this.directory = join(folder, '.config.toml.custom-executor')
    this.uploads = join(folder, 'uploads')
    for (const each of ['machines', 'tmp', 'bin', 'uploads']) mkdirSync(join(folder, each))
    writeFileSync(
      this.config,
      `log_level = "debug"
log_format = "json"
${stateDir ? `state_dir = "${join(folder, 'state')}"` : ''}
[[runners]]
name = "shim"
url = "http://127.0.0.1:9"
token = "not-used"
executor = "instance"
${runner}
[runners.autoscaler]
plugin = "local"
max_instances = 2
capacity_per_instance = 4
update_interval_when_expecting = "50ms"
${autoscaler}
[runners.autoscaler.plugin_config]
root_dir = "${join(folder, 'machines')}"
[[runners.autoscaler.policy]]
idle_time = "100ms"
`,
    )
    this.helper = join(folder, 'bin', 'gitlab-runner')
    writeFileSync(
      this.helper,
      `#!/bin/sh
[ "$1" = artifacts-uploader ] || exit 9
while [ $# -gt 0 ]; do case $1 in --id) id=$2 ;; --when) when=$2 ;; --path) path=$2 ;; esac; shift; done
mkdir -p '${this.uploads}'/$id && cp "$path" '${this.uploads}'/$id/ && echo "Uploading artifacts ($when)... 201 Created"
`,
    )
    chmodSync(this.helper, 0o755)
    this.#options = {
      driver: [process.execPath, '--v8-pool-size=0', client],
      driverOptions: ['--config', this.config, '--idle-timeout', '300ms', '--owner-grace', '300ms', ...options],
      directory: join(folder, 'tmp'),
      env: { ...process.env, PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}` },
      prepareRetryMs: 10,
    }
  }

  run(job: StockJob, options: Partial<StockRunnerOptions> = {}): StockRun {
    return new StockRun({ ...this.#options, ...options }, job)
  }

  get log(): readonly LogLine[] {
    const file = join(this.directory, 'daemon.log')
    if (!existsSync(file)) return []
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
  }

  /** The daemons that the calls began, oldest first. */
  get daemonPids(): readonly number[] {
    return this.log.filter(({ msg }) => msg === 'daemon of the custom executor started').map(({ pid }) => pid as number)
  }

  /** Of this fixture: its daemons, its machines, and what runs on those. */
  processes(): readonly string[] {
    return listProcesses()
      .filter(({ commandLine, environment }) => `${commandLine} ${environment}`.includes(this.folder))
      .map(({ pid, commandLine }) => `${pid} ${commandLine}`)
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.daemonPids)
      if (this.processes().some((line) => line.startsWith(`${pid} `))) {
        process.kill(pid, 'SIGTERM')
        await this.until(() => !this.processes().some((line) => line.startsWith(`${pid} `)))
      }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
