import type { Duplex } from 'node:stream'
import { EnvironmentError, type OutputSink, type ScriptEnd } from '@runner-core/job'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import { readFrames, type TakeFrame } from './follow-output.ts'

export interface ExecInContainerOptions {
  readonly container: string
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly directory?: string
  /** Default: the container's own. */
  readonly user?: string
  /** Default: empty. */
  readonly input?: AsyncIterable<Buffer> | undefined
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  readonly signal: AbortSignal
  readonly onStarted?: () => void
}

/**
 * Runs a command in a container that is running, and delivers all its output. The Engine cannot end a command, so to
 * give it up is to stop the container. Rejects with `EngineError`, with what a sink or the input throws, and with the
 * signal's reason.
 */
export async function execInContainer(engine: Engine, options: ExecInContainerOptions): Promise<ScriptEnd> {
  const { container, command, directory, user, input, signal, onStarted } = options
  const during = `running a command in container ${container}`
  const exec = await engine.call(during, signal, (docker, abortSignal) =>
    docker.getContainer(container).exec({
      Cmd: [...command],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      ...(directory !== undefined && { WorkingDir: directory }),
      ...(user !== undefined && { User: user }),
      abortSignal,
    }),
  )
  const stream = await engine.call(during, signal, () => exec.start({ hijack: true, stdin: true }))
  onStarted?.()
  const deliver: TakeFrame = async ({ stream: name, bytes }) => {
    await options[name](bytes)
    return true
  }
  try {
    await Promise.all([readFrames(stream, during, signal, deliver), feed(stream, input)])
  } finally {
    stream.destroy()
  }
  const { ExitCode: exitCode, Running: isRunning } = await engine.call(during, signal, (_docker, abortSignal) =>
    exec.inspect({ abortSignal }),
  )
  if (isRunning || exitCode === null)
    throw new EngineError('unreachable', `${during}: the connection to it broke before it had ended`)
  return { exitCode }
}

async function feed(stream: Duplex, input: AsyncIterable<Buffer> | undefined): Promise<void> {
  // A command that ends early takes no more: how it ended is told by itself.
  stream.on('error', () => {})
  for await (const chunk of input ?? []) {
    if (stream.writableEnded || stream.destroyed) return
    if (!stream.write(chunk))
      await new Promise<void>((resolve) => {
        const done = (): void => {
          stream.off('drain', done).off('close', done).off('error', done)
          resolve()
        }
        stream.on('drain', done).on('close', done).on('error', done)
      })
  }
  stream.end()
}

/** Of a command that says little. */
const longestAnswer = 16_384

/** What a command prints, without what it sends to its standard error. Rejects as {@link execInContainer}. */
export async function execOutput(
  engine: Engine,
  options: Pick<ExecInContainerOptions, 'container' | 'command' | 'signal' | 'user'>,
): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  await execInContainer(engine, {
    ...options,
    stdout: (chunk) => {
      length += chunk.length
      if (length > longestAnswer) throw new EnvironmentError('failed', `it says more than ${longestAnswer} bytes`)
      chunks.push(chunk)
    },
    stderr: () => {},
  })
  return Buffer.concat(chunks).toString()
}
