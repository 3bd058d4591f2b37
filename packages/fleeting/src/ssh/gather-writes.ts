import type { Socket } from 'node:net'

/**
 * From here on what is written to the socket in one turn of the event loop is sent by one system call. ssh2 writes each
 * packet in three pieces, and answers several packets at a time; without Nagle's algorithm each piece would be a
 * segment of its own and wake the other side.
 */
export function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let gathering = false
  socket.write = (...args: unknown[]): boolean => {
    if (!gathering) {
      gathering = true
      socket.cork()
      setImmediate(() => {
        gathering = false
        socket.uncork()
      })
    }
    return write(...args)
  }
}
