import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import { SlotConnection } from '@runner-core/runner-executor'
import type { Acquisition } from '@runner-core/taskscaler'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { EngineConnection } from '../src/engine/engine-connection.ts'
import { EngineLink } from '../src/engine/engine-link.ts'

const socketPath = engineSocket()

/** This machine's Engine, by connections that can be cut. */
export class LocalEngine {
  readonly #sockets = new Set<Socket>()

  connection(): EngineConnection {
    return new EngineConnection(async () => {
      const socket = connect({ path: socketPath, allowHalfOpen: true })
      await once(socket, 'connect')
      // One that is cut may be in nobody's hands.
      socket.on('error', () => {})
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      return socket
    })
  }

  /** `way`: default, one of {@link connection}. */
  link(acquisition: Acquisition, way: EngineConnection = this.connection()): EngineLink {
    const connection = new SlotConnection({
      acquisition,
      connection: way,
      isPatient: true,
      clock: systemClock,
    })
    return new EngineLink({ connection, target: { socketPath }, clock: systemClock })
  }

  /** A slot that is lent, of which nothing but this is asked. */
  acquisition(): Acquisition {
    const lost = new AbortController()
    const partial: Pick<Acquisition, 'connect' | 'signal' | 'instanceId' | 'slot' | 'condemn'> = {
      connect: async () => this.connection(),
      signal: lost.signal,
      instanceId: 'engine-1',
      slot: 0,
      condemn: () => {},
    }
    return partial as Acquisition
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy(new Error('cut'))
  }
}
