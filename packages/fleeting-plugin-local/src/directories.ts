import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { access, constants, lstat, mkdir, mkdtemp, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const groupPrefix = 'fleeting-plugin-local-'
const youngMs = 60_000

/** A group's directory under `root_dir`, claimed by this process: it holds one directory for each instance. */
export interface GroupDirectory {
  readonly path: string
  /** Removes it. */
  release(): Promise<void>
}

/**
 * Rejects when groups cannot make their directories in `rootDir`, which itself need not be there yet. Changes nothing.
 */
export async function checkRootDirectory(rootDir: string): Promise<void> {
  try {
    if (!(await stat(rootDir)).isDirectory()) throw new Error('it is not a directory')
    await access(rootDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await checkRootDirectory(dirname(rootDir))
  }
}

/** Makes a directory for this user only. While this process lives, others see by a socket in it that it is in use. */
export async function claimGroupDirectory(rootDir: string): Promise<GroupDirectory> {
  await mkdir(rootDir, { recursive: true })
  const path = await mkdtemp(join(rootDir, groupPrefix))
  const claim = createServer((socket) => socket.destroy())
  await listen(claim, join(path, 'claim'))
  return {
    path,
    async release() {
      claim.close()
      await removeDirectory(path)
    },
  }
}

/** Directories of groups whose processes are gone without having been able to remove them, all of this user. */
export async function abandonedGroupDirectories(rootDir: string, wallTime: number): Promise<string[]> {
  const entries = await readdir(rootDir).catch(() => [])
  const paths = entries.filter((entry) => entry.startsWith(groupPrefix)).map((entry) => join(rootDir, entry))
  const abandoned = await Promise.all(paths.map((path) => isAbandoned(path, wallTime)))
  return paths.filter((_, index) => abandoned[index])
}

async function isAbandoned(path: string, wallTime: number): Promise<boolean> {
  const status = await lstat(path).catch(() => undefined)
  if (!status?.isDirectory() || status.uid !== process.getuid?.()) return false
  const answer = await knock(join(path, 'claim'))
  // A directory without a socket was perhaps made this very moment.
  return answer === 'ECONNREFUSED' || (answer === 'ENOENT' && wallTime - status.mtimeMs > youngMs)
}

/** Instances that have a directory in a group's. */
export async function instancesIn(groupDirectory: string): Promise<string[]> {
  return (await readdir(groupDirectory)).filter((entry) => entry !== 'claim')
}

/** Makes an instance's directory, for this user only. Thrown when it exists. */
export function makeInstanceDirectory(path: string): { readonly home: string; readonly temporary: string } {
  const paths = { home: join(path, 'home'), temporary: join(path, 'tmp') }
  for (const each of [path, ...Object.values(paths)]) mkdirSync(each, { mode: 0o700 })
  return paths
}

/**
 * Removes a directory with all that is in it, read-only directories too (Go's module cache is full of them). Nothing
 * happens when it is gone.
 */
export async function removeDirectory(path: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3 }
  try {
    await rm(path, options)
  } catch {
    await promisify(execFile)('chmod', ['-R', 'u+rwX', path])
    await rm(path, options)
  }
}

/**
 * For an instance whose group is gone: removes the group's directory, unless another instance is still in it, or has
 * just done the same.
 */
export async function removeOrphanedGroupDirectory(instanceDirectory: string): Promise<void> {
  const path = dirname(instanceDirectory)
  await rm(join(path, 'claim'), { force: true })
  await rmdir(path).catch(() => {})
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
    server.unref()
  })
}

/** Undefined when somebody opens, else the error's code. */
function knock(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}
