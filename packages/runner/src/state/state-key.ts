import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { StateError } from '@runner-core/fleeting/state'

const keyBytes = 32
const written = /^runner-core state key 1: ([0-9A-Za-z+/]{43}=)\n?$/

/**
 * The key that secrets in the state are encrypted under, from its file; where there is none, a new one is made, for
 * this user alone. Thrown: `StateError` `unavailable` when it cannot be read or written, is no such key, or can be read
 * by others.
 */
export function loadStateKey(file: string): Buffer {
  try {
    return read(file) ?? make(file)
  } catch (error) {
    if (error instanceof StateError) throw error
    throw new StateError('unavailable', `state_key_file ${file} cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function read(file: string): Buffer | undefined {
  let text: string
  try {
    text = readFileSync(file, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const { mode } = statSync(file)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new StateError(
      'unavailable',
      `state_key_file ${file} can be read by other users (mode ${(mode & 0o777).toString(8)}): chmod 600 it`,
    )
  }
  const key = Buffer.from(written.exec(text)?.[1] ?? '', 'base64')
  if (key.length !== keyBytes)
    throw new StateError('unavailable', `state_key_file ${file} contains no key of this program`)
  return key
}

/** Two processes that start at once end up with the same key: a file appears whole, and the first one stays. */
function make(file: string): Buffer {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(draft, `runner-core state key 1: ${randomBytes(keyBytes).toString('base64')}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  return read(file)!
}
