import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { DockerSettings, StringMap } from '../settings/docker-settings.ts'
import { directoryEntries } from './directory-entries.ts'
import type { MountPlan, PlannedVolume } from './mount-plan.ts'

export interface MakeVolumesOptions {
  readonly settings: Pick<DockerSettings, 'volumeDriver' | 'volumeDriverOptions'>
  readonly volumes: readonly PlannedVolume[]
  /** Of volumes that go with the job. */
  readonly labels: StringMap
  /** Of those that stay for the next one. */
  readonly lastingLabels: StringMap
}

/** What dockerode takes apart into the query and the body of its request. Its type does not have these. */
interface DividedOptions extends Docker.VolumeCreateOptions {
  readonly _query: object
  readonly _body: object
}

/** Makes those volumes that are not there. Thrown: `EngineError`. */
export async function makeVolumes(engine: Engine, options: MakeVolumesOptions, signal: AbortSignal): Promise<void> {
  const { settings, volumes, labels, lastingLabels } = options
  await Promise.all(
    volumes.map(({ name, isLasting }) => {
      // dockerode puts into the URL too what is not given apart, such as a password for a share.
      const options: DividedOptions = {
        _query: {},
        _body: {
          Name: name,
          Labels: { ...(isLasting ? lastingLabels : labels) },
          ...(settings.volumeDriver !== undefined && { Driver: settings.volumeDriver }),
          DriverOpts: { ...settings.volumeDriverOptions },
        },
      }
      return engine.call(`making the volume ${name}`, signal, (docker, abortSignal) =>
        docker.createVolume({ ...options, abortSignal }),
      )
    }),
  )
}

/** All may read, write and look into them. */
const openMode = 0o777

/**
 * Lets every user write to the directories that were made for the job, whatever user its image has: `container` mounts
 * them, and needs not be started. Thrown: `EngineError`.
 */
export async function openDirectories(
  engine: Engine,
  container: string,
  { open }: Pick<MountPlan, 'open'>,
  signal: AbortSignal,
): Promise<void> {
  const found = await Promise.all(open.map((path) => directoryState(engine, container, path, signal)))
  const closed = found.filter(({ mode }) => (mode & openMode) !== openMode)
  if (closed.length === 0) return
  const entries = directoryEntries(closed.map((each) => ({ ...each, mode: openMode })))
  await engine.call("opening the job's directories", signal, (docker, abortSignal) =>
    docker.getContainer(container).putArchive(entries, { path: '/', noOverwriteDirNonDir: '1', abortSignal }),
  )
}

interface DirectoryState {
  readonly path: string
  readonly mode: number
  readonly mtimeMs: number
}

/** What the Engine says of a path in a header. */
const statHeader = 'x-docker-container-path-stat'

async function directoryState(
  engine: Engine,
  container: string,
  path: string,
  signal: AbortSignal,
  isTarget = false,
): Promise<DirectoryState> {
  const during = `looking at ${path} in container ${container}`
  const answer: { readonly headers?: Readonly<Record<string, unknown>> } & Readable = await engine.call(
    during,
    signal,
    (docker, abortSignal) => docker.getContainer(container).infoArchive({ path, abortSignal }),
  )
  answer.resume()
  const stat = parseStat(answer.headers?.[statHeader])
  if (stat === undefined) throw new EngineError('failed', `${during}: the Engine does not say what it is`)
  // What is mounted on a link is where it leads to, all links on the way followed.
  if (stat.linkTarget !== '' && !isTarget) return await directoryState(engine, container, stat.linkTarget, signal, true)
  return { ...stat, path }
}

function parseStat(header: unknown): (Omit<DirectoryState, 'path'> & { readonly linkTarget: string }) | undefined {
  try {
    const { linkTarget, mode, mtime } = JSON.parse(Buffer.from(String(header), 'base64').toString())
    if (typeof mode !== 'number') return undefined
    return { linkTarget: typeof linkTarget === 'string' ? linkTarget : '', mode, mtimeMs: Date.parse(mtime) || 0 }
  } catch {
    return undefined
  }
}
