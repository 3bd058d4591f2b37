import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Clock, delay } from '@runner-core/fleeting'

/** The most bytes that the path of a Unix socket may have on every system. */
const maxPathBytes = 100
/** From one look to the next while an earlier daemon ends, milliseconds. */
const lookMs = 50

export interface SoleServer {
  /** Takes no more connections. */
  close(): void
  /**
   * Lets the next daemon begin. To be called at last: until then nothing else keeps the lock from the garbage
   * collector, which would let it go.
   */
  release(): void
}

/**
 * Listens in a private directory (see `openPrivateDirectory`) as the only one that does. Waits for an earlier daemon
 * that is about to end. Undefined: another daemon serves there. Thrown: `Error` when it cannot be.
 */
export async function listenAlone(
  directory: string,
  serve: (socket: Socket) => void,
  clock: Clock,
): Promise<SoleServer | undefined> {
  const path = join(directory, 'socket')
  if (Buffer.byteLength(path) > maxPathBytes)
    throw new Error(`${path}: expected at most ${maxPathBytes} bytes, as a socket's path; name a shorter --directory`)
  const { ProcessLock } = await import('@runner-core/fleeting/sqlite').catch((cause: unknown) => {
    throw new Error(`the daemon needs a Node.js with node:sqlite (22.15 or newer), got ${process.version}`, { cause })
  })
  const lock = new ProcessLock(join(directory, 'lock'))
  while (!lock.tryTake()) {
    if (await isServed(path)) {
      lock.close()
      return undefined
    }
    await delay(clock, lookMs)
  }
  rmSync(path, { force: true })
  const server = createServer(serve)
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
  return { close: () => server.close(), release: () => lock.close() }
}

async function isServed(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
