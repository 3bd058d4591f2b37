import { posix } from 'node:path'
import { JobError } from '@runner-core/job'
import type { DockerSettings } from '../settings/docker-settings.ts'
import { parseVolumeSpec, type VolumeSpec } from '../settings/volume-spec.ts'
import { directoryHash, ownerName, type VolumeOwner } from './volume-name.ts'

export interface MountPlanOptions {
  readonly settings: Pick<DockerSettings, 'volumes' | 'cacheDir' | 'disableCache' | 'tmpfs'>
  readonly owner: VolumeOwner
  /** Tells the job's own volumes from those of its other attempts: letters, digits, `_.-`. */
  readonly attempt: string
  /** In the containers: absolute. */
  readonly buildsDir: string
  /** The runner's `cache_dir`, in which archives of caches are kept: absolute. Absent: they are in a bucket. */
  readonly cacheDir?: string | undefined
  /** Whether the next job of the project wants what this one has fetched: its strategy is `fetch`. */
  readonly keepsBuilds: boolean
  /**
   * Whether the job's ref or one of its caches is protected: it shares no volume with jobs for which that is not so.
   */
  readonly isProtected: boolean
  /**
   * Whether all that is made in the build directory is open to every user: it shares no volume with jobs of root, for
   * which that is not so.
   */
  readonly isOpen: boolean
  /** Replaces variables. */
  readonly expand: (text: string) => string
}

/** What the containers of a job mount: all of them the same. */
export interface MountPlan {
  /** For `HostConfig.Binds`. */
  readonly binds: readonly string[]
  readonly volumes: readonly PlannedVolume[]
  /** Directories in the containers that are made for the job, and that every user must be able to write to. */
  readonly open: readonly string[]
  /** Whether builds are in something that is mounted for other jobs too. */
  readonly sharesBuilds: boolean
}

/** A volume that is made for the job, unless it is there. */
export interface PlannedVolume {
  readonly name: string
  /** Whether it stays for the next job. */
  readonly isLasting: boolean
}

/** Thrown: `JobError` `invalid_job`, a configuration error, for what cannot be mounted. */
export function planMounts(options: MountPlanOptions): MountPlan {
  const { settings, buildsDir, cacheDir, keepsBuilds } = options
  const draft = new MountDraft(options)
  for (const spec of settings.volumes) {
    if (spec.source === undefined) draft.addCache(draft.destination(spec), !settings.disableCache)
    else draft.addBind(spec.source, draft.destination(spec), spec.options)
  }
  for (const path of Object.keys(settings.tmpfs)) {
    if (isWithin(buildsDir, cleanPath(path)))
      throw unmountable(`tmpfs "${path}"`, `each container would have a build directory ${buildsDir} of its own`)
  }
  const sharesBuilds = draft.isBound(buildsDir)
  if (!draft.has(buildsDir)) draft.addCache(buildsDir, keepsBuilds)
  if (cacheDir !== undefined && !draft.has(cacheDir)) draft.addCache(cacheDir, !settings.disableCache)
  return { ...draft.mounts, sharesBuilds }
}

class MountDraft {
  readonly mounts = { binds: [] as string[], volumes: [] as PlannedVolume[], open: [] as string[] }
  readonly #options: MountPlanOptions
  readonly #destinations = new Set<string>()
  readonly #bound: string[] = []

  constructor(options: MountPlanOptions) {
    this.#options = options
  }

  /** Where it is mounted, with the job's own values, which must lead nowhere else. */
  destination({ destination }: VolumeSpec): string {
    const expanded = this.#options.expand(destination)
    const spec = parseVolumeSpec(expanded)
    const why =
      typeof spec === 'string'
        ? spec
        : spec.source !== undefined || spec.options.length > 0
          ? 'it is more than a destination'
          : undefined
    if (typeof spec === 'string' || why !== undefined)
      throw unmountable(`"${destination}" of volumes`, `with the job's variables it is "${expanded}", and ${why}`)
    return cleanPath(spec.destination)
  }

  addBind(source: string, destination: string, options: readonly string[]): void {
    this.#claim(destination)
    this.#bound.push(destination)
    this.mounts.binds.push([source, destination, ...(options.length > 0 ? [options.join(',')] : [])].join(':'))
  }

  addCache(destination: string, isLasting: boolean): void {
    this.#claim(destination)
    this.mounts.open.push(destination)
    const { settings, owner, attempt, buildsDir, isProtected, isOpen } = this.#options
    const isOpenHere = isOpen && destination === buildsDir
    const hash = `${directoryHash(destination)}${isOpenHere ? '-open' : ''}${isProtected ? '-protected' : ''}`
    if (isLasting && settings.cacheDir !== undefined) {
      this.mounts.binds.push(`${posix.join(settings.cacheDir, ownerName(owner), hash)}:${destination}`)
      return
    }
    const name = `${ownerName(owner)}${isLasting ? '' : `-${attempt}`}-cache-${hash}`
    this.mounts.volumes.push({ name, isLasting })
    this.mounts.binds.push(`${name}:${destination}`)
  }

  /** Whether something is mounted there, or the configuration mounts something above it. */
  has(path: string): boolean {
    return this.#destinations.has(path) || this.isBound(path)
  }

  isBound(path: string): boolean {
    return this.#bound.some((destination) => isWithin(path, destination))
  }

  #claim(destination: string): void {
    if (this.#destinations.has(destination))
      throw unmountable(`"${destination}" of volumes`, 'something else is mounted there')
    this.#destinations.add(destination)
  }
}

function cleanPath(path: string): string {
  return posix.normalize(path).replace(/\/$/, '')
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

function unmountable(what: string, why: string): JobError {
  return new JobError('invalid_job', 'runner_configuration_error', `cannot mount ${what}: ${why}`)
}
