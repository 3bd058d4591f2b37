import type Docker from 'dockerode'
import type { Engine } from '../engine/engine.ts'

export interface NewContainer {
  readonly name: string
  /** As in `linux/arm64`. Default: what the image is for. */
  readonly platform?: string | undefined
  readonly body: Docker.ContainerCreateOptions
}

/** What dockerode takes apart into the query and the body of its request. Its type does not have these. */
interface DividedOptions extends Docker.ContainerCreateOptions {
  readonly _query: object
  readonly _body: object
}

/**
 * Creates a container, and returns its id. dockerode puts all that it is given into the URL too, the variables with
 * their secrets among it, unless query and body are given apart. Thrown: `EngineError`.
 */
export async function createContainer(
  engine: Engine,
  during: string,
  { name, platform, body }: NewContainer,
  signal: AbortSignal,
): Promise<string> {
  const query = { name, ...(platform !== undefined && { platform }) }
  const options: DividedOptions = { _query: query, _body: body }
  const { id } = await engine.call(during, signal, (docker, abortSignal) =>
    docker.createContainer({ ...options, abortSignal }),
  )
  return id
}
