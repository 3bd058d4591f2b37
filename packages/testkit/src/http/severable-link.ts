import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a port of this computer that can be cut. */
export interface SeverableLink {
  readonly port: number
  /** Ends all connections, and lets none be made for so long, milliseconds. Default 0. */
  cut(ms?: number): void
  close(): Promise<void>
}

export async function startLink(port: number): Promise<SeverableLink> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((client) => {
    if (isCut) return void client.on('error', () => {}).destroy()
    const target = connect(port, '127.0.0.1')
    client.pipe(target).pipe(client)
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.setNoDelay().on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut(ms = 0) {
      destroyAll()
      if (ms === 0) return
      isCut = true
      setTimeout(() => {
        isCut = false
      }, ms).unref()
    },
    async close() {
      destroyAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
