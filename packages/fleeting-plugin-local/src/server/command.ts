import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { ServerChannel } from 'ssh2'
import { ChannelOutput } from './channel-output.ts'

export interface CommandOptions {
  readonly shell: string
  /** Where commands start. */
  readonly home: string
  readonly environment: NodeJS.ProcessEnv
  /** Process groups of the commands under way; kept up to date here. */
  readonly groups: Set<number>
}

/** A command under way on one channel. */
export interface Command {
  /** Sends a signal, named as SSH does (`TERM`), to the command's process group. */
  signal(name: string): void
  /** The channel is gone: lets go of the pipes. As with OpenSSH, what runs is not ended by that. */
  hangUp(): void
}

/**
 * Runs `text` with the shell in a session of its own, as sshd does. Its end is told at once; the channel is closed when
 * all its output was sent, which something that it left behind may delay.
 */
export function runCommand(channel: ServerChannel, text: string, options: CommandOptions): Command {
  // A client that closes its end while we write is no reason to fall.
  channel.on('error', () => {})
  channel.stderr.on('error', () => {})
  try {
    return new RunningCommand(channel, start(text, options), options.groups)
  } catch (error) {
    // No more processes or files, or a command that the system does not take: too long, or with a NUL in it.
    refuse(channel, error)
    channel.end()
    return { signal() {}, hangUp() {} }
  }
}

function start(text: string, { shell, home, environment }: CommandOptions): ChildProcessWithoutNullStreams {
  const child = spawn(shell, ['-c', text], { cwd: home, env: environment, detached: true, stdio: 'pipe' })
  if (child.stdin !== undefined) return child
  child.once('error', () => {})
  throw new Error('out of file descriptors')
}

class RunningCommand implements Command {
  readonly #child: ChildProcessWithoutNullStreams

  constructor(channel: ServerChannel, child: ChildProcessWithoutNullStreams, groups: Set<number>) {
    this.#child = child
    const { pid } = child
    if (pid !== undefined) {
      groups.add(pid)
      child.once('exit', () => groups.delete(pid))
    }
    channel.pipe(child.stdin)
    // A command need not read its input to the end; what still comes is thrown away, or the channel could not close.
    child.stdin.on('error', () => {}).once('close', () => channel.resume())

    const exited = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        if (signal === null) channel.exit(code ?? 255)
        else exitBySignal(channel, signal)
        resolve()
      })
      child.once('error', (error) => {
        refuse(channel, error)
        resolve()
      })
    })
    const output = new ChannelOutput(channel)
    const sent = [output.pump(child.stdout, channel), output.pump(child.stderr, channel.stderr)]
    void Promise.all([exited, ...sent]).then(() => channel.end())
  }

  signal(name: string): void {
    const { pid, exitCode, signalCode } = this.#child
    const number = constants.signals[`SIG${name}` as NodeJS.Signals]
    // Its number may mean another process once it has ended.
    if (number === undefined || pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      process.kill(-pid, number)
    } catch {
      // It ended this very moment.
    }
  }

  hangUp(): void {
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy()
  }
}

function exitBySignal(channel: ServerChannel, signal: NodeJS.Signals): void {
  try {
    channel.exit(signal.slice('SIG'.length), false, '')
  } catch {
    // A signal that SSH has no name for: as a shell would answer.
    channel.exit(128 + constants.signals[signal])
  }
}

function refuse(channel: ServerChannel, error: unknown): void {
  channel.stderr.write(`cannot start the shell: ${error instanceof Error ? error.message : String(error)}\n`)
  channel.exit(255)
}
