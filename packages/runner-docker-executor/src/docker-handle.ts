import type { ContainerCreateOptions } from 'dockerode'
import type { FoundShell } from './containers/find-shell.ts'

/** A service that was started for a job. */
interface HandledService {
  readonly id: string
  readonly title: string
}

/** What another manager needs to go on with a job in its containers, beside the acquisition. JSON. */
export interface DockerHandle {
  readonly attempt: string
  /** For people. */
  readonly image: string
  readonly shell: FoundShell
  readonly buildsDir: string
  readonly concurrentId: number
  readonly opensFiles: boolean
  readonly sharesBuilds: boolean
  readonly helperContainer?: ContainerCreateOptions | undefined
  /** What runs beside the job. */
  readonly services: readonly HandledService[]
  /** When the job's container was started, as its Engine wrote it. */
  readonly starts: readonly string[]
}

/** Undefined when it is none: it comes from a file that another version may have written. */
export function parseDockerHandle(value: unknown): DockerHandle | undefined {
  const handle = (value ?? {}) as Partial<Record<keyof DockerHandle, unknown>>
  const { shell: name, path } = (handle.shell ?? {}) as Partial<Record<keyof FoundShell, unknown>>
  const { attempt, image, buildsDir, concurrentId, opensFiles, sharesBuilds, helperContainer, services, starts } =
    handle
  if (
    typeof attempt !== 'string' ||
    !/^[A-Za-z0-9]+$/.test(attempt) ||
    typeof image !== 'string' ||
    (name !== 'bash' && name !== 'sh') ||
    typeof path !== 'string' ||
    typeof buildsDir !== 'string' ||
    !Number.isSafeInteger(concurrentId) ||
    (concurrentId as number) < 0 ||
    !isTexts(starts)
  )
    return undefined
  return {
    attempt,
    image,
    shell: { shell: name, path },
    buildsDir,
    concurrentId: concurrentId as number,
    opensFiles: opensFiles === true,
    sharesBuilds: sharesBuilds === true,
    ...(typeof helperContainer === 'object' && helperContainer !== null && { helperContainer }),
    services: Array.isArray(services) ? services.filter(isService) : [],
    starts,
  }
}

function isService(value: unknown): value is HandledService {
  const { id, title } = (value ?? {}) as Partial<Record<keyof HandledService, unknown>>
  return typeof id === 'string' && /^[0-9a-f]+$/.test(id) && typeof title === 'string'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
