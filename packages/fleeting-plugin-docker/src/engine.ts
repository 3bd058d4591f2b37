import { GroupError, type GroupErrorOptions } from '@runner-core/fleeting'
import Docker from 'dockerode'
import { asEngineError } from './errors.ts'
import { type TarFile, tar } from './tar.ts'

/**
 * The few calls to the Docker Engine that a group makes. Each rejects with a `GroupError`, or the signal's reason once
 * it aborts.
 */
export class Engine {
  readonly #docker: Docker
  /** False when the daemon is on another machine, as far as its address tells. */
  readonly isLocal: boolean

  /**
   * Finds the daemon as the docker command does: `DOCKER_HOST` and its kin, otherwise the machine's own socket. Thrown:
   * `invalid_config`.
   */
  constructor() {
    try {
      this.#docker = new Docker()
    } catch (cause) {
      throw new GroupError(
        'invalid_config',
        `the environment's Docker settings cannot be used: ${(cause as Error).message}`,
        { cause },
      )
    }
    const { socketPath, host } = this.#docker.modem as { socketPath?: unknown; host?: string }
    this.isLocal = socketPath !== undefined || host === 'localhost' || host?.startsWith('127.') === true
  }

  inspectImage(image: string, signal: AbortSignal): Promise<Docker.ImageInspectInfo> {
    return call(`looking for image ${image}`, signal, () => this.#docker.getImage(image).inspect())
  }

  /** All containers with a label, in whatever state. */
  list(label: string, signal: AbortSignal): Promise<Docker.ContainerInfo[]> {
    return call('listing containers', signal, () =>
      this.#docker.listContainers({ all: true, filters: { label: [label] }, abortSignal: signal }),
    )
  }

  /** All volumes with a label. */
  async listVolumes(label: string, signal: AbortSignal): Promise<readonly Docker.VolumeInspectInfo[]> {
    const { Volumes } = await call('listing volumes', signal, () =>
      this.#docker.listVolumes({ filters: { label: [label] }, abortSignal: signal }),
    )
    return Volumes ?? []
  }

  /** Nothing happens when it is there. */
  async createVolume(name: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    await call(`creating volume ${name}`, signal, () =>
      this.#docker.createVolume({ Name: name, Labels: labels, abortSignal: signal }),
    )
  }

  /** One that is gone is fine. */
  async removeVolume(name: string, signal: AbortSignal): Promise<void> {
    try {
      await call(`removing volume ${name}`, signal, () => this.#docker.getVolume(name).remove({ abortSignal: signal }))
    } catch (error) {
      if (!(error instanceof GroupError) || error.code !== 'not_found') throw error
    }
  }

  inspect(id: string, signal: AbortSignal): Promise<Docker.ContainerInspectInfo> {
    return call(
      `inspecting container ${id}`,
      signal,
      () => this.#docker.getContainer(id).inspect({ abortSignal: signal }),
      {
        instanceId: id,
      },
    )
  }

  async create(options: Docker.ContainerCreateOptions, signal: AbortSignal): Promise<string> {
    const container = await call('creating a container', signal, () =>
      this.#docker.createContainer({ ...options, abortSignal: signal }),
    )
    return container.id
  }

  async putFiles(id: string, directory: string, files: readonly TarFile[], signal: AbortSignal): Promise<void> {
    const put = (): Promise<unknown> =>
      this.#docker.getContainer(id).putArchive(tar(files), { path: directory, abortSignal: signal })
    await call(`writing to ${directory} of container ${id}`, signal, put, { instanceId: id })
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    await call(`starting container ${id}`, signal, () => this.#docker.getContainer(id).start({ abortSignal: signal }), {
      instanceId: id,
    })
  }

  /** Removes a container with its anonymous volumes, whatever it does. One that is gone or going is fine. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const remove = (): Promise<unknown> =>
      this.#docker.getContainer(id).remove({ force: true, v: true, abortSignal: signal })
    try {
      await call(`removing container ${id}`, signal, remove, { instanceId: id })
    } catch (error) {
      if (!(error instanceof GroupError) || (error.code !== 'not_found' && error.code !== 'conflict')) throw error
    }
  }
}

async function call<Result>(
  during: string,
  signal: AbortSignal,
  request: () => Promise<Result>,
  options?: GroupErrorOptions,
): Promise<Result> {
  signal.throwIfAborted()
  let onAbort = (): void => {}
  // Not every call of dockerode can be aborted.
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([request(), aborted])
  } catch (error) {
    signal.throwIfAborted()
    throw asEngineError(error, during, options)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
