import { lstatSync, mkdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/**
 * Where the daemon of a configuration keeps its socket, its lock and its log, when the command line names no other
 * directory. The client says the same: see `bin/custom-executor.cjs`.
 */
export function defaultDirectory(configFile: string): string {
  const file = resolve(configFile)
  return join(dirname(file), `.${basename(file)}.custom-executor`)
}

/**
 * Makes the directory. Whoever can write to it could run scripts on our machines. Thrown: `Error` when it is somebody
 * else's, or open to others.
 */
export function openPrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
    throw new Error(`${directory}: expected a directory of this user that nobody else can enter (mode 0700)`)
}
