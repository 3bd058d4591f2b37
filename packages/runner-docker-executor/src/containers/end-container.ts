import { type Clock, deadline } from '@runner-core/fleeting'
import type { Engine } from '../engine/engine.ts'
import { EngineError, isGone } from '../engine/engine-error.ts'
import { containerState } from './container-state.ts'
import { execInContainer } from './exec.ts'

export interface EndContainerOptions {
  readonly container: string
  /** A shell in it. */
  readonly shellPath: string
  /** How long its processes have from `TERM` to `KILL`, milliseconds. */
  readonly graceMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Ends everything that runs in a container, which stays. Its processes are asked first, all but the shell that started
 * them, which then comes to its own end. Rejects with `EngineError`, and with the signal's reason.
 */
export async function endContainer(engine: Engine, options: EndContainerOptions): Promise<void> {
  const { container, graceMs, clock, signal } = options
  try {
    await askToEnd(engine, options)
    if (await hasEnded(engine, container, graceMs, clock, signal)) return
    await killContainer(engine, container, signal)
  } catch (error) {
    if (!(await isOver(engine, container, error, signal))) throw error
  }
}

/** How Docker and Podman say that a container sees no processes but its own. */
const ownProcesses = ['', 'private']

async function askToEnd(engine: Engine, { container, shellPath, signal }: EndContainerOptions): Promise<void> {
  const { HostConfig: host } = await engine.call(`looking at container ${container}`, signal, (docker, abortSignal) =>
    docker.getContainer(container).inspect({ abortSignal }),
  )
  // Where it sees processes of others (`pid_mode`), all that it sees are not its own.
  if (!ownProcesses.includes(host.PidMode ?? ''))
    return await engine.call(`ending container ${container}`, signal, (docker, abortSignal) =>
      docker.getContainer(container).kill({ signal: 'TERM', abortSignal }),
    )
  const silent = (): void => {}
  const command = [shellPath, '-c', 'kill -s TERM -1']
  await execInContainer(engine, { container, command, user: '0', stdout: silent, stderr: silent, signal })
}

/** Ends a container at once. One that has ended, or is no more, is fine. Rejects as {@link endContainer}. */
export async function killContainer(engine: Engine, container: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call(`killing container ${container}`, signal, (docker, abortSignal) =>
      docker.getContainer(container).kill({ abortSignal }),
    )
    await engine.call(`waiting for container ${container}`, signal, (docker, abortSignal) =>
      docker.getContainer(container).wait({ condition: 'not-running', abortSignal }),
    )
  } catch (error) {
    if (!(await isOver(engine, container, error, signal))) throw error
  }
}

/** Whether something failed since the container has ended, was never started, or is no more. */
async function isOver(engine: Engine, container: string, error: unknown, signal: AbortSignal): Promise<boolean> {
  if (isGone(error)) return true
  // Podman answers as if it had failed itself.
  if (!(error instanceof EngineError) || error.code !== 'failed' || signal.aborted) return false
  const { status } = await containerState(engine, container, signal)
  return status !== 'running'
}

/** Whether a container ends within a time. */
export async function hasEnded(
  engine: Engine,
  container: string,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const late = new Error(`container ${container} runs on`)
  using limit = deadline(clock, limitMs, () => late, signal)
  try {
    await engine.call(
      `waiting for container ${container}`,
      limit.signal,
      (docker, abortSignal) => docker.getContainer(container).wait({ condition: 'not-running', abortSignal }),
      limitMs + 1000,
    )
    return true
  } catch (error) {
    if (error === late) return false
    if (await isOver(engine, container, error, signal)) return true
    throw error
  }
}
