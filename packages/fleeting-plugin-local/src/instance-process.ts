import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CancelTimer, Clock, InstanceState, ListedInstance, Logger } from '@runner-core/fleeting'
import { removeDirectory } from './directories.ts'
import { endProcessesOf } from './instance-processes.ts'
import type { LocalInstance } from './local-instance.ts'
import type { MachineRecords } from './machine-records.ts'
import type { ServerOptions, ServerReady } from './server/server-options.ts'

/** The server's entry: `.ts` beside sources, `.js` beside what they compile to. */
const serverEntry = fileURLToPath(new URL(`server/main${extname(import.meta.url)}`, import.meta.url))
/** Holds the process near 100 MB after much output instead of 170, at no cost that could be measured. */
const nodeFlags = ['--max-semi-space-size=1']
/** Spares every instance that runs from sources 35 ms and 18 MB. Where it cannot be written, Node goes on without. */
const compileCache = fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url))
/** How long a server may take to end in its own way. */
const graceMs = 5000
const errorOutputLimit = 2000

export interface InstanceProcessOptions {
  readonly server: ServerOptions
  readonly launchToken: string
  readonly bootDelayMs: number
  /** Where it is written down, when it is to outlive this process. */
  readonly records?: MachineRecords | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** One instance that this group started: a process and a directory. */
export class InstanceProcess implements LocalInstance {
  readonly id: string
  readonly launchToken: string
  readonly gone: Promise<void>
  readonly #options: InstanceProcessOptions
  readonly #resolveGone: () => void
  #cancelTimer: CancelTimer = () => {}
  #child: ChildProcess | undefined
  #state: Extract<InstanceState, 'creating' | 'running' | 'deleting' | 'failed'> = 'creating'
  #detail: string | undefined
  #ready: ServerReady | undefined
  #isLetGo = false

  constructor(options: InstanceProcessOptions) {
    this.#options = options
    this.id = options.server.instanceId
    this.launchToken = options.launchToken
    let resolveGone = (): void => {}
    this.gone = new Promise((resolve) => {
      resolveGone = resolve
    })
    this.#resolveGone = resolveGone
    if (options.bootDelayMs > 0) this.#cancelTimer = options.clock.after(options.bootDelayMs, () => this.#boot())
    else this.#boot()
  }

  get ready(): ServerReady | undefined {
    return this.#state === 'running' ? this.#ready : undefined
  }

  listed(): ListedInstance {
    const { id, launchToken } = this
    return { id, launchToken, state: this.#state, ...(this.#detail !== undefined && { detail: this.#detail }) }
  }

  end(): void {
    if (this.#state === 'deleting') return
    this.#state = 'deleting'
    this.#cancelTimer()
    if (this.#child === undefined) {
      this.#resolveGone()
      return
    }
    // A forgotten instance does not keep the group's process alive; one that ends is waited for.
    this.#child.ref()
    ;(this.#child.stderr as Socket | null)?.ref()
    this.#child.kill('SIGTERM')
    this.#cancelTimer = this.#options.clock.after(graceMs, () => this.#child?.kill('SIGKILL'))
  }

  letGo(): void {
    this.#isLetGo = true
    this.#cancelTimer()
    if (this.#child?.connected) this.#child.disconnect()
    this.#child?.unref()
  }

  #boot(): void {
    const { server, records, launchToken, clock } = this.#options
    try {
      records?.begin(this.id, { launchToken, directory: server.directory, launchedAt: clock.wallTime() })
      this.#child = this.#spawn()
    } catch (error) {
      void records?.revoke(this.id)
      this.#fail(error instanceof Error ? error.message : String(error))
      return
    }
    let errorOutput = ''
    const note = (text: string): void => {
      errorOutput = (errorOutput + text).slice(-errorOutputLimit)
    }
    this.#child.stderr?.setEncoding('utf8').on('data', note)
    this.#child.on('error', (error) => note(error.message))
    this.#child.once('message', (ready) => {
      this.#ready = ready as ServerReady
      if (this.#state === 'creating') this.#state = 'running'
    })
    // `close` comes after the last of its error output.
    this.#child.once(
      'close',
      (code, signal) => void this.#onClose(code, signal, this.#errorsInFile() || errorOutput.trim()),
    )
  }

  #spawn(): ChildProcess {
    // A pipe would end with this process; who outlives it and writes to it would, too.
    const errors = this.#errorFile === undefined ? ('pipe' as const) : openSync(this.#errorFile, 'a', 0o600)
    try {
      const child = spawn(process.execPath, [...nodeFlags, serverEntry, JSON.stringify(this.#options.server)], {
        // A session of its own: Ctrl-C is for the manager, which decides what becomes of its instances.
        detached: true,
        cwd: '/',
        env: { PATH: process.env['PATH'], LANG: process.env['LANG'], NODE_COMPILE_CACHE: compileCache },
        stdio: ['ignore', 'ignore', errors, 'ipc'],
      })
      child.unref()
      child.channel?.unref()
      ;(child.stderr as Socket | null)?.unref()
      return child
    } finally {
      if (errors !== 'pipe') closeSync(errors)
    }
  }

  get #errorFile(): string | undefined {
    const { access } = this.#options.server
    return 'files' in access ? join(access.files.record, 'errors') : undefined
  }

  #errorsInFile(): string {
    if (this.#errorFile === undefined) return ''
    try {
      return readFileSync(this.#errorFile, 'utf8').slice(-errorOutputLimit).trim()
    } catch {
      return '' // It removed what is left of it, so it ended in its own way.
    }
  }

  async #onClose(code: number | null, signal: string | null, errorOutput: string): Promise<void> {
    this.#cancelTimer()
    if (this.#isLetGo) return this.#resolveGone()
    const { logger, server, records } = this.#options
    if (this.#state !== 'deleting') {
      logger.warn({ instance: this.id, code, signal, error_output: errorOutput }, 'local instance ended on its own')
    }
    if (this.#state === 'running') this.#state = 'deleting'
    if (this.#state === 'creating') this.#fail(`its process ended with ${signal ?? code}: ${errorOutput}`)
    try {
      // An instance that ended in its own way has left nothing.
      if (code !== 0) {
        await endProcessesOf(this.id)
        await removeDirectory(server.directory)
        await records?.revoke(this.id)
      }
    } catch (error) {
      logger.warn({ instance: this.id, error }, 'cannot remove what a local instance left behind')
    }
    this.#child = undefined
    // One that never worked stays to be seen, until somebody ends it.
    if (this.#state !== 'failed') this.#resolveGone()
  }

  #fail(detail: string): void {
    this.#state = 'failed'
    this.#detail = detail
  }
}
