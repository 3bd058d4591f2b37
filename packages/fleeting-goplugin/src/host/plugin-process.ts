import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Clock, deadline, GroupError, type Logger, untilAbort } from '@runner-core/fleeting'
import { environmentNames, type Handshake, magicCookie, parseHandshake, protocolVersion } from '../wire/handshake.ts'
import { guardCommand } from './guard.ts'
import { LineSplitter, parseLogLine } from './plugin-log.ts'

export interface PluginProcessOptions {
  /** The executable. */
  readonly file: string
  readonly environment: NodeJS.ProcessEnv
  /** PEM. The plugin is offered TLS by it. */
  readonly certificate: string | undefined
  /** From the start of the process to its handshake line, milliseconds. */
  readonly startTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** A first line that is longer than this is none. */
const longestHandshake = 64 * 1024
/** Lines of standard error that are quoted when a plugin does not start. */
const quotedLines = 5
/** The name of a socket's file may have 103 bytes on every platform; go-plugin adds about 20. */
const longestSocketDirectory = 80

/**
 * A running plugin that has said where it listens. It, and what it started in its own process group, ends when this
 * process ends, however that comes about.
 */
export class PluginProcess {
  readonly handshake: Handshake
  /** Resolves with how it ended. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, handshake: Handshake, ended: Promise<string>) {
    this.#child = child
    this.handshake = handshake
    this.ended = ended
  }

  /**
   * Thrown: `invalid_config`, when it cannot be run or is no plugin; `transient`, when it ends or says nothing in time;
   * the signal's reason.
   */
  static async start(options: PluginProcessOptions, signal: AbortSignal): Promise<PluginProcess> {
    const { file, startTimeoutMs, clock } = options
    const name = basename(file)
    const directory = socketDirectory()
    const { child, ended, quoted } = launch(options, directory)
    const tooLate = (): GroupError =>
      new GroupError('transient', `${name} printed no handshake line within ${startTimeoutMs} ms${quoted()}`)
    using limit = deadline(clock, startTimeoutMs, tooLate, signal)
    try {
      const line = await untilAbort(
        Promise.race([firstLine(child, name), diedEarly(ended, name, quoted)]),
        limit.signal,
      )
      return new PluginProcess(child, readHandshake(line, name), ended)
    } catch (error) {
      killGroup(child)
      throw error
    }
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Ends it at once, with whatever it started in its process group. */
  kill(): void {
    // Once it has ended, all of it was, and its number may be somebody else's.
    if (this.#child.exitCode === null && this.#child.signalCode === null) killGroup(this.#child)
  }
}

function launch(
  { file, environment, certificate, logger }: PluginProcessOptions,
  directory: string,
): { readonly child: ChildProcess; readonly ended: Promise<string>; readonly quoted: () => string } {
  const { command, args } = guardCommand(file, directory)
  const child = spawn(command, args, {
    env: {
      ...environment,
      [magicCookie.name]: magicCookie.value,
      [environmentNames.protocolVersions]: String(protocolVersion),
      [environmentNames.minPort]: '10000',
      [environmentNames.maxPort]: '25000',
      [environmentNames.socketDirectory]: directory,
      [environmentNames.clientCertificate]: certificate,
      // What a host of ours may have set for us is not for them.
      PLUGIN_MULTIPLEX_GRPC: undefined,
      PLUGIN_UNIX_SOCKET_GROUP: undefined,
    },
    // The guard notices by its standard input that we are gone.
    stdio: 'pipe',
    // A group of its own: what ends this process by the terminal does not end the plugin before us, and all of it can
    // be ended.
    detached: process.platform !== 'win32',
    windowsHide: true,
  })
  const lastLines: string[] = []
  const plugin = basename(file)
  const lines = new LineSplitter((line) => {
    const { level, message, fields } = parseLogLine(line)
    logger[level]({ plugin, ...fields }, message)
    lastLines.push(message)
    if (lastLines.length > quotedLines) lastLines.shift()
  })
  child.stderr?.on('data', (chunk: Buffer) => lines.write(chunk)).on('end', () => lines.end())
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => {})
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    // Not `close`: a grandchild may keep the pipes.
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
  void ended.then(() => {
    killGroup(child)
    rmSync(directory, { recursive: true, force: true })
  })
  return { child, ended, quoted: () => (lastLines.length === 0 ? '' : `: ${lastLines.join(' | ')}`) }
}

/** Only this user can enter it, so that nobody else can reach the plugin by it. */
function socketDirectory(): string {
  const wanted = join(tmpdir(), 'fleeting-')
  const directory = mkdtempSync(
    wanted.length > longestSocketDirectory && existsSync('/tmp') ? '/tmp/fleeting-' : wanted,
  )
  chmodSync(directory, 0o700)
  return directory
}

function firstLine(child: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('utf8')
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= longestHandshake) return
      child.stdout?.off('data', onData)
      // What it prints later is read and dropped, or a full pipe would stop it.
      child.stdout?.resume()
      if (end >= 0) resolve(text.slice(0, end))
      else reject(new GroupError('invalid_config', `${name} is not a fleeting plugin: its first line does not end`))
    }
    child.stdout?.on('data', onData)
  })
}

async function diedEarly(ended: Promise<string>, name: string, quoted: () => string): Promise<never> {
  const how = await ended
  // What it wrote last may still be on its way.
  await new Promise((resolve) => setImmediate(resolve))
  // Said by the shell, of what is there and cannot be executed.
  const code = /^exit code 12[67]$/.test(how) ? 'invalid_config' : 'transient'
  throw new GroupError(code, `${name} ended before it was ready (${how})${quoted()}`)
}

function readHandshake(line: string, name: string): Handshake {
  try {
    return parseHandshake(line)
  } catch (error) {
    throw new GroupError('invalid_config', `${name} is not a usable fleeting plugin: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** The group outlives its leader as long as the guard is in it, so that this number cannot be somebody else's. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill('SIGKILL')
    else process.kill(-child.pid, 'SIGKILL')
  } catch {
    // All gone already.
  }
}
