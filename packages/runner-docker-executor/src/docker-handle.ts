import type { ContainerCreateOptions } from 'dockerode'
import type { FoundShell } from './containers/find-shell.ts'

/** What another manager needs to go on with a job in its containers, beside the acquisition. JSON. */
export interface DockerHandle {
  readonly attempt: string
  /** For people. */
  readonly image: string
  readonly shell: FoundShell
  readonly buildsDir: string
  readonly concurrentId: number
  readonly opensFiles: boolean
  readonly helperContainer?: ContainerCreateOptions | undefined
  /** Names of volumes that go with the job. */
  readonly volumes: readonly string[]
  /** When the job's container was started, as its Engine wrote it. */
  readonly starts: readonly string[]
}

/** Undefined when it is none: it comes from a file that another version may have written. */
export function parseDockerHandle(value: unknown): DockerHandle | undefined {
  const handle = (value ?? {}) as Partial<Record<keyof DockerHandle, unknown>>
  const { shell: name, path } = (handle.shell ?? {}) as Partial<Record<keyof FoundShell, unknown>>
  const { attempt, image, buildsDir, concurrentId, opensFiles, helperContainer, volumes, starts } = handle
  if (
    typeof attempt !== 'string' ||
    !/^[A-Za-z0-9]+$/.test(attempt) ||
    typeof image !== 'string' ||
    (name !== 'bash' && name !== 'sh') ||
    typeof path !== 'string' ||
    typeof buildsDir !== 'string' ||
    !Number.isSafeInteger(concurrentId) ||
    (concurrentId as number) < 0 ||
    !isTexts(volumes) ||
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
    ...(typeof helperContainer === 'object' && helperContainer !== null && { helperContainer }),
    volumes,
    starts,
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
