import { connect, type Socket } from 'node:net'
import type { ServerChannel } from 'ssh2'

export type ForwardTarget = { readonly host: string; readonly port: number } | { readonly path: string }

/** Connects a client to a port or Unix socket of this machine. */
export function forward(target: ForwardTarget, accept: () => ServerChannel, reject: () => void): Socket {
  const socket = connect({ ...target, noDelay: true, allowHalfOpen: true })
  socket.once('error', reject)
  socket.once('connect', () => {
    const channel = accept()
    socket.off('error', reject).on('error', () => channel.close())
    channel.on('error', () => socket.destroy()).once('close', () => socket.destroy())
    channel.pipe(socket).pipe(channel)
  })
  return socket
}
