import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { FileTransfer, JobEnvironment, OutputSink, ScriptEnd, ScriptRun, ShellName } from '@runner-core/job'
import { EnvironmentError, killScript, shellCommand, transferCommand } from '@runner-core/job'
import { type ExperimentalShell, pwshCommand } from '@runner-core/job/internals'

/** A shell of this machine under one of the two names that scripts are generated for. */
export interface LocalShell {
  readonly name: string
  readonly shell: ShellName | ExperimentalShell
  /** Program that `sh` is; undefined: the machine's own. */
  readonly sh?: string
  /** The machine's only tools: those of busybox. */
  readonly busyboxOnly?: boolean
}

export interface LocalEnvironmentOptions {
  readonly localShell: LocalShell
  readonly graceMs?: number
  /** `NAME=value` pairs of the login. */
  readonly env?: Readonly<Record<string, string>>
  readonly buildsDir?: string
  readonly concurrentId?: number
  /** Hard limit of resident memory that the login has, KiB. Default: none. */
  readonly hardResidentLimit?: number
  /** Another environment whose home this one shares. */
  readonly home?: string
}

/** A `JobEnvironment` of processes on this machine, for tests: what sshd does, without the network. */
export class LocalEnvironment implements JobEnvironment {
  readonly shell: ShellName | ExperimentalShell
  readonly description = 'this machine'
  readonly jobMarker: { readonly name: string; readonly value: string } = {
    name: 'RUNNER_CORE_JOB',
    value: randomBytes(12).toString('hex'),
  }
  readonly buildsDir: string
  readonly concurrentId: number
  readonly home: string
  /** How many commands were run. */
  runs = 0
  transfers = 0
  kills = 0
  readonly #env: Record<string, string>
  readonly #graceMs: number
  readonly #ownsHome: boolean
  readonly #login: string

  constructor(options: LocalEnvironmentOptions) {
    const { localShell } = options
    this.shell = localShell.shell
    this.buildsDir = options.buildsDir ?? 'builds'
    this.concurrentId = options.concurrentId ?? 0
    this.#graceMs = options.graceMs ?? 2000
    this.#login = options.hardResidentLimit === undefined ? '' : `ulimit -m ${options.hardResidentLimit}; `
    this.#ownsHome = options.home === undefined
    this.home = options.home ?? mkdtempSync(join(tmpdir(), 'runner-core-job-test-'))
    const bin = join(this.home, '.bin')
    mkdirSync(bin, { recursive: true })
    if (this.#ownsHome && localShell.sh !== undefined) symlinkSync(localShell.sh, join(bin, 'sh'))
    if (this.#ownsHome && localShell.busyboxOnly === true) {
      for (const applet of [
        'cat',
        'date',
        'grep',
        'head',
        'id',
        'mkdir',
        'rm',
        'setsid',
        'sleep',
        'uname',
        'tr',
        'env',
        'chmod',
        'find',
        'ln',
        'tar',
        'xargs',
      ])
        symlinkSync('/bin/busybox', join(bin, applet))
    }
    const path = localShell.busyboxOnly === true ? bin : `${bin}:${process.env['PATH']}`
    this.#env = { PATH: path, HOME: this.home, SSH_CLIENT: '127.0.0.1 1 2', ...options.env }
  }

  async run(run: ScriptRun): Promise<ScriptEnd> {
    this.runs++
    const { shell, jobMarker } = this
    const scriptBytes = run.script.length
    const command =
      shell === 'pwsh' ? pwshCommand({ jobMarker, scriptBytes }) : shellCommand({ shell, jobMarker, scriptBytes })
    return await this.#stoppable(run.signal, () => this.#spawn('/bin/bash', ['-c', this.#login + command], run))
  }

  async transfer(transfer: FileTransfer): Promise<ScriptEnd> {
    this.transfers++
    const { stdout, stderr, input = Buffer.alloc(0) } = transfer
    const command = transferCommand({ command: transfer.command, jobMarker: this.jobMarker })
    const run = { script: input, stdout, stderr, isTransfer: true }
    return await this.#stoppable(transfer.signal, () => this.#spawn('/bin/bash', ['-c', this.#login + command], run))
  }

  async killAll(): Promise<void> {
    this.kills++
    let answer = ''
    const stdout = (chunk: Buffer): void => {
      answer += chunk.toString()
    }
    const script = Buffer.from(killScript({ jobMarker: this.jobMarker, graceMs: this.#graceMs }))
    await this.#spawn('/bin/bash', ['-c', 'exec sh'], { script, stdout, stderr: () => {} })
    if (answer.trim() !== 'clean') throw new EnvironmentError('failed', `not all processes could be ended: ${answer}`)
  }

  [Symbol.dispose](): void {
    if (this.#ownsHome) rmSync(this.home, { recursive: true, force: true })
  }

  async #stoppable(signal: AbortSignal, start: () => Promise<ScriptEnd>): Promise<ScriptEnd> {
    signal.throwIfAborted()
    let stopped: Promise<void> | undefined
    const stop = (): void => {
      stopped = this.killAll()
      stopped.catch(() => {})
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await start()
    } finally {
      signal.removeEventListener('abort', stop)
      // The shell may be gone before all else is.
      await stopped
      signal.throwIfAborted()
    }
  }

  async #spawn(
    file: string,
    args: readonly string[],
    { script, stdout, stderr, isTransfer = false }: Spawned,
  ): Promise<ScriptEnd> {
    const child = spawn(file, args, { cwd: this.home, env: this.#env, detached: true, stdio: 'pipe' })
    child.stdin.on('error', () => {})
    const moved = Promise.all([pump(child.stdout, stdout), pump(child.stderr, stderr), feed(child.stdin, script)])
    moved.catch(() => child.kill('SIGKILL'))
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    if (isTransfer) await moved
    // What is left may hold the output open: what is there already is read, and no more waited for.
    else await Promise.race([moved, new Promise((resolve) => setTimeout(resolve, 500))]).catch(() => {})
    child.stdout.destroy()
    child.stderr.destroy()
    return code === null ? { signal: String(signal).replace('SIG', '') } : { exitCode: code }
  }
}

interface Spawned {
  readonly script: Buffer | AsyncIterable<Buffer>
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  readonly isTransfer?: boolean
}

async function pump(stream: AsyncIterable<Buffer>, sink: OutputSink): Promise<void> {
  for await (const chunk of stream) await sink(chunk)
}

async function feed(stdin: Writable, script: Buffer | AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of Buffer.isBuffer(script) ? [script] : script) {
    if (stdin.destroyed) return
    if (!stdin.write(chunk)) await new Promise((resolve) => stdin.once('drain', resolve).once('close', resolve))
  }
  stdin.end()
}
