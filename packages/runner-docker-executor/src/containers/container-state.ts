import type { Engine } from '../engine/engine.ts'

/** How a container is, as its Engine says it. */
export interface ContainerState {
  readonly id: string
  readonly status: 'created' | 'running' | 'exited'
  /** When it was started last, as the Engine writes it; empty where it never was. */
  readonly startedAt: string
  readonly exitCode: number
  /** The machine took its memory away. */
  readonly wasOutOfMemory: boolean
}

/** Thrown: `EngineError`. */
export async function containerState(engine: Engine, name: string, signal: AbortSignal): Promise<ContainerState> {
  const { Id: id, State: state } = await engine.call(`looking at container ${name}`, signal, (docker, given) =>
    docker.getContainer(name).inspect({ abortSignal: given }),
  )
  return {
    id,
    status: state.Status === 'created' ? 'created' : state.Running ? 'running' : 'exited',
    startedAt: state.Status === 'created' ? '' : state.StartedAt,
    exitCode: state.ExitCode,
    wasOutOfMemory: state.OOMKilled,
  }
}
