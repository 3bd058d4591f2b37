import type { Readable } from 'node:stream'
import type { ShellName } from '@runner-core/job'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'

/** A shell that a container has. */
export interface FoundShell {
  readonly shell: ShellName
  /** Where it is. */
  readonly path: string
}

const bashPaths = ['/usr/local/bin/bash', '/usr/bin/bash', '/bin/bash']

/** In the order in which they are taken, as GitLab's runner looks for them. */
const candidates: readonly FoundShell[] = [
  ...bashPaths.map((path) => ({ shell: 'bash' as const, path })),
  ...['/usr/local/bin/sh', '/usr/bin/sh', '/bin/sh', '/busybox/sh'].map((path) => ({ shell: 'sh' as const, path })),
]

/** Where a container's shell is looked for. Where `/bin` is a link, it leads to `/usr/bin`. */
export const shellDirectories: readonly string[] = ['/usr/local/bin', '/usr/bin', '/bin', '/busybox']

/**
 * The command of a container whose shell reads a script from its standard input: the one that {@link findShell} finds.
 */
export const shellCommand: readonly string[] = [
  'sh',
  '-c',
  `for s in ${bashPaths.join(' ')}; do if [ -x $s ]; then exec $s; fi; done; exec sh`,
]

/**
 * Looks which shell a container has, which need not be started for it. Undefined: none. Thrown: {@link EngineError};
 * the signal's reason.
 */
export async function findShell(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<FoundShell | undefined> {
  const found = await Promise.all(candidates.map(({ path }) => hasFile(engine, container, path, signal)))
  return candidates.find((_, index) => found[index])
}

async function hasFile(engine: Engine, container: string, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await engine.call(`looking for ${path} in container ${container}`, signal, (docker, abortSignal) =>
      docker.getContainer(container).infoArchive({ path, abortSignal }),
    )
    ;(answer as Readable).resume()
    return true
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') return false
    throw error
  }
}
