import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/**
 * A directory beside the plugins, on the same file system, in which one is put together. It goes with what is in it.
 */
export interface StagingDirectory extends AsyncDisposable {
  readonly directory: string
}

/** Which machine and which process, so that one that was killed can be told from one that works. */
const prefix = '.installing-'
const here = hostname().replaceAll(/[^\w.]/g, '_')

/** Opens one, and removes those whose process was killed. */
export async function openStagingDirectory(root: string): Promise<StagingDirectory> {
  await mkdir(root, { recursive: true })
  for (const name of await readdir(root)) {
    const [, machine, pid] = /^\.installing-([\w.]+)-(\d+)-/.exec(name) ?? []
    if (machine === here && !isAlive(Number(pid))) await rm(join(root, name), { recursive: true, force: true })
  }
  const directory = await mkdtemp(join(root, `${prefix}${here}-${process.pid}-`))
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // There is one, and it is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
