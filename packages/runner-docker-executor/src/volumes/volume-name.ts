import { createHash } from 'node:crypto'

/** Whose volumes these are: no two jobs at the same time have all of it in common. */
export interface VolumeOwner {
  readonly shortToken: string
  /** Tells managers with the same token apart, which may share an Engine. */
  readonly systemId: string
  readonly projectId: number
  readonly concurrentId: number
}

/**
 * `runner-TOKEN-project-ID-concurrent-N-HASH`, as GitLab's runner names volumes; the hash is over what the rest leaves
 * out.
 */
export function ownerName({ shortToken, systemId, projectId, concurrentId }: VolumeOwner): string {
  const whole = JSON.stringify([shortToken, systemId, projectId, concurrentId])
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 12)
  const token = shortToken.replaceAll(/[^a-zA-Z0-9_.-]/g, '_')
  return `runner-${token}-project-${projectId}-concurrent-${concurrentId}-${hash}`
}

/** What a directory of a container is called in the name of its volume. */
export function directoryHash(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 32)
}
