import { once } from 'node:events'
import { createServer } from 'node:net'
import { type ConnectorConfig, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { RealMachines } from './real-machines.ts'

/** Maximum time for the plugin to start, milliseconds. */
const startMs = 10_000

/** Real machines for the option `real` of a fake: SSH servers on this computer that share one login. */
export class LocalMachines extends RealMachines {
  /** The `connector_config` with which a plugin logs in. */
  readonly connector: ConnectorConfig
  readonly #shutdown: () => Promise<void>

  /** @throws `PluginError` when `@runner-core/fleeting-plugin-local`, which starts the servers, is not installed. */
  static async start(): Promise<LocalMachines> {
    const { createInstanceGroup } = await loadPlugin('local')
    const { privateKey } = await newKeyPair()
    const connector = { username: 'runner', privateKey }
    const context = { fleet: 'cloud-fakes', logger: silentLogger, clock: systemClock, random: systemRandom }
    const group = createInstanceGroup({}, { ...context, connector })
    await group.init(AbortSignal.timeout(startMs))
    const port = await freePort()
    return new LocalMachines({ group, clock: systemClock, port }, { ...connector, protocolPort: port })
  }

  private constructor(options: ConstructorParameters<typeof RealMachines>[0], connector: ConnectorConfig) {
    super(options)
    this.connector = connector
    this.#shutdown = () => options.group.shutdown()
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.#shutdown()
  }
}

/** Returns a port that is free on one loopback address, and so most likely on all of them. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
