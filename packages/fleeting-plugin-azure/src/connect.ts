import { type Clock, type ConnectInfo, type ConnectorConfig, untilAbort } from '@runner-core/fleeting'
import type { AzureClient } from './client.ts'
import type { SetModel } from './model.ts'

/** Where a machine answers. */
export type MachineAddresses = Pick<ConnectInfo, 'internalAddress' | 'externalAddress'>

interface NetworkInterface {
  readonly properties?: {
    readonly primary?: boolean
    readonly virtualMachine?: { readonly id?: string }
    readonly ipConfigurations?: readonly IpConfiguration[]
  }
}

interface IpConfiguration {
  readonly id?: string
  readonly properties?: {
    readonly primary?: boolean
    readonly privateIPAddress?: string
  }
}

interface PublicAddress {
  readonly properties?: { readonly ipAddress?: string; readonly ipConfiguration?: { readonly id?: string } }
}

/**
 * Addresses by a machine's resource id in small letters: of its primary interface and configuration, where one is
 * marked so.
 */
export function machineAddresses(
  interfaces: readonly NetworkInterface[],
  publicAddresses: readonly PublicAddress[],
): ReadonlyMap<string, MachineAddresses> {
  const external = new Map(
    publicAddresses.map(
      ({ properties }) => [properties?.ipConfiguration?.id?.toLowerCase(), properties?.ipAddress] as const,
    ),
  )
  const addresses = new Map<string, MachineAddresses>()
  for (const { properties } of interfaces) {
    const machineId = properties?.virtualMachine?.id?.toLowerCase()
    const configurations = properties?.ipConfigurations ?? []
    const configuration = configurations.find((candidate) => candidate.properties?.primary) ?? configurations[0]
    if (machineId === undefined || configuration === undefined) continue
    if (addresses.has(machineId) && properties?.primary !== true) continue
    const internalAddress = configuration.properties?.privateIPAddress
    const externalAddress = external.get(configuration.id?.toLowerCase())
    addresses.set(machineId, {
      ...(internalAddress !== undefined && { internalAddress }),
      ...(externalAddress !== undefined && { externalAddress }),
    })
  }
  return addresses
}

export interface AddressBookOptions {
  readonly client: AzureClient
  readonly clock: Clock
  readonly mode: SetModel['mode']
  /** Whether public addresses are asked for as well, at the price of another call. */
  readonly withExternal: boolean
}

// The versions of Microsoft.Network's API that know them: the one for interfaces below a Uniform set's machines is as
// old as that.
const uniformNetworkVersion = '2018-10-01'
const networkVersion = '2024-05-01'
/**
 * After so long it is looked again for the address of a machine that had none yet: new machines come in bursts, and
 * each asks for itself.
 */
const refreshAfterMs = 2_000

/** One reading of all addresses, which several may wait for. */
interface Reading {
  /** When it began, clock time. */
  readonly at: number
  readonly addresses: Promise<ReadonlyMap<string, MachineAddresses>>
  readonly cancel: AbortController
  waiting: number
}

/** The addresses of all machines, read at once: one machine's are never asked for alone. */
export class AddressBook {
  readonly #options: AddressBookOptions
  #last: Reading | undefined

  constructor(options: AddressBookOptions) {
    this.#options = options
  }

  /** Of a machine that was first listed at clock time `listedAt`. Undefined: it has none yet. */
  async of(resourceId: string, listedAt: number, signal: AbortSignal): Promise<MachineAddresses | undefined> {
    const last = this.#last
    if (last !== undefined) {
      const found = (await this.#wait(last, signal)).get(resourceId)
      const isWorthReading = last.at < listedAt || this.#options.clock.now() - last.at >= refreshAfterMs
      if (found !== undefined || !isWorthReading) return found
    }
    // Others may have begun to read meanwhile.
    const reading = this.#last === undefined || this.#last === last ? this.#begin() : this.#last
    return (await this.#wait(reading, signal)).get(resourceId)
  }

  #begin(): Reading {
    const cancel = new AbortController()
    const reading = { at: this.#options.clock.now(), addresses: this.#read(cancel.signal), cancel, waiting: 0 }
    this.#last = reading
    reading.addresses.catch(() => this.#forget(reading))
    return reading
  }

  /** A reading ends early once nobody waits for it any more: no single one's signal may end it for the others. */
  async #wait(reading: Reading, signal: AbortSignal): Promise<ReadonlyMap<string, MachineAddresses>> {
    reading.waiting += 1
    try {
      return await untilAbort(reading.addresses, signal)
    } catch (error) {
      if (reading.waiting === 1) {
        this.#forget(reading)
        reading.cancel.abort(error)
      }
      throw error
    } finally {
      reading.waiting -= 1
    }
  }

  #forget(reading: Reading): void {
    if (this.#last === reading) this.#last = undefined
  }

  async #read(signal: AbortSignal): Promise<ReadonlyMap<string, MachineAddresses>> {
    const { client, mode, withExternal } = this.#options
    const list = <Row>(what: string, kind: string): Promise<Row[]> =>
      mode === 'Uniform'
        ? client.list(`listing ${what}`, `${client.setPath}/${kind}`, uniformNetworkVersion, signal)
        : client.list(
            `listing ${what}`,
            `${client.groupPath}/providers/Microsoft.Network/${kind}`,
            networkVersion,
            signal,
          )
    const [interfaces, publicAddresses] = await Promise.all([
      list<NetworkInterface>('network interfaces', 'networkInterfaces'),
      withExternal
        ? list<PublicAddress>('public addresses', mode === 'Uniform' ? 'publicipaddresses' : 'publicIPAddresses')
        : [],
    ])
    return machineAddresses(interfaces, publicAddresses)
  }
}

/**
 * How to log in to the set's machines: as the connector says, otherwise as the set's own administrator. Azure knows no
 * host keys.
 */
export function loginOf({ adminUsername, os }: SetModel, connector: ConnectorConfig): Omit<ConnectInfo, 'instanceId'> {
  const { privateKey, password, agentSocket } = connector
  return {
    protocol: 'ssh',
    username: connector.username ?? adminUsername ?? 'azureuser',
    ...(privateKey !== undefined && { privateKey }),
    ...(password !== undefined && { password }),
    ...(agentSocket !== undefined && { agentSocket }),
    ...(os !== undefined && { os }),
  }
}
