import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { type Clock, type ConnectInfo, deadline, delay, type InstanceGroup, isGroupError } from '@runner-core/fleeting'

export interface RealMachinesOptions {
  /**
   * Makes the machines; initialised by whoever gives it, and shut down by them. For example the plugins `local` or
   * `docker`.
   */
  readonly group: InstanceGroup
  readonly clock: Clock
  /** The port that all machines answer on, each on an address of its own: `protocol_port` of the connector. */
  readonly port: number
  /** How long a machine may take until it can be connected to, milliseconds. Default 60,000. */
  readonly bootTimeoutMs?: number
}

const never = new AbortController().signal

/**
 * Puts a real machine behind each instance of a fake cloud, at an address of its own in 127.0.0.0/8 (Linux answers on
 * all of them), so that a job can run there.
 */
export class RealMachines implements AsyncDisposable {
  readonly #options: RealMachinesOptions
  readonly #machines = new Map<
    string,
    { readonly id: string; readonly door: Server; readonly hostKeys: readonly string[] }
  >()
  readonly #starting = new Set<Promise<void>>()
  readonly #ended = new AbortController()
  #nextAddress = 2

  constructor(options: RealMachinesOptions) {
    this.#options = options
  }

  /** An address in 127.77.0.0/16 that no other machine of this process has had. */
  newAddress(): string {
    const number = this.#nextAddress++
    return `127.77.${Math.floor(number / 250)}.${(number % 250) + 1}`
  }

  /**
   * Makes the machine of an instance and opens its address; resolves once it can be connected to. Thrown: why there is
   * none; one that takes too long is removed.
   */
  start(instanceId: string, address: string): Promise<void> {
    const starting = this.#start(instanceId, address).finally(() => this.#starting.delete(starting))
    this.#starting.add(starting)
    return starting
  }

  async #start(instanceId: string, address: string): Promise<void> {
    const { group, port } = this.#options
    const { signal } = this.#ended
    const launchToken = `real${instanceId.replaceAll(/[^a-z0-9]/g, '')}`
    const { ids, errors } = await group.increase({ count: 1, launchToken }, signal)
    const id = ids?.[0]
    if (id === undefined) throw new Error(`no real machine for ${instanceId}`, { cause: errors?.[0] })
    try {
      const machine = await this.#ready(id)
      const door = openDoor(`ssh://${machine.internalAddress}`)
      door.listen(port, address)
      await once(door, 'listening')
      this.#machines.set(instanceId, { id, door, hostKeys: machine.hostKeys ?? [] })
    } catch (error) {
      await group.decrease([id], never)
      throw error
    }
  }

  async #ready(id: string): Promise<ConnectInfo> {
    const { group, clock, bootTimeoutMs = 60_000 } = this.#options
    let last: unknown
    const late = (): Error =>
      new Error(`the real machine ${id} was not ready within ${bootTimeoutMs} ms`, { cause: last })
    using limit = deadline(clock, bootTimeoutMs, late, this.#ended.signal)
    for (;;) {
      try {
        return await group.connectInfo(id, limit.signal)
      } catch (error) {
        limit.signal.throwIfAborted()
        if (!isGroupError(error) || error.code !== 'not_ready') throw error
        last = error
      }
      await delay(clock, 20, limit.signal)
    }
  }

  /**
   * The keys that the machine of an instance will show, as far as they are known: what a cloud would tell of its
   * console.
   */
  hostKeys(instanceId: string): readonly string[] {
    return this.#machines.get(instanceId)?.hostKeys ?? []
  }

  /** Removes the machine of an instance, if it has one. */
  async stop(instanceId: string): Promise<void> {
    const machine = this.#machines.get(instanceId)
    if (machine === undefined) return
    this.#machines.delete(instanceId)
    machine.door.close()
    await this.#options.group.decrease([machine.id], never)
  }

  /** Removes all that are left, those still under way too. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('the fake cloud has ended'))
    await Promise.allSettled(this.#starting)
    await Promise.all([...this.#machines.keys()].map((id) => this.stop(id)))
  }
}

/** Passes connections on to the machine that answers elsewhere. */
function openDoor(machine: string): Server {
  const { hostname, port } = new URL(machine)
  return createServer((client) => {
    const sshd = connect(Number(port), hostname)
    client.pipe(sshd).pipe(client)
    client.on('error', () => sshd.destroy()).on('close', () => sshd.destroy())
    sshd.on('error', () => client.destroy()).on('close', () => client.destroy())
  })
}
