import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeAzure, type FakeAzureOptions, RealMachines } from '@runner-core/cloud-fakes'
import {
  type Clock,
  type ConnectInfo,
  type Connection,
  type ConnectorConfig,
  type InstanceGroup,
  type PluginContext,
  silentLogger,
  systemClock,
  systemRandom,
} from '@runner-core/fleeting'
import { createSshConnector, newKeyPair } from '@runner-core/fleeting/ssh'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { createInstanceGroup } from '../src/index.ts'

/**
 * A fake Azure, and groups that use it as an operator's would: with a login from the environment, and trust in its
 * certificate by `ca_file`.
 */
export class AzureCloud implements AsyncDisposable {
  readonly fake: FakeAzure
  readonly context: PluginContext
  /** The certificate of the fake. */
  readonly caFile: string
  readonly #directory: string
  readonly #ended: () => Promise<unknown>

  static async start(options: Omit<Partial<FakeAzureOptions>, 'real'> = {}): Promise<AzureCloud> {
    const { clock = systemClock } = options
    const connector = { username: 'ci', privateKey: 'KEY' }
    return new AzureCloud(await FakeAzure.start({ ...options, clock }), contextWith(connector, clock), async () => {})
  }

  /** Machines that can be logged in to: each has an SSH server behind it. */
  static async startReal(options: Omit<FakeAzureOptions, 'clock' | 'real'> = {}): Promise<AzureCloud> {
    const { privateKey } = await newKeyPair()
    const login = { privateKey, username: 'ci', useStaticCredentials: true }
    const local = createLocalGroup({}, contextWith(login))
    await local.init(AbortSignal.timeout(10_000))
    const port = await freePort()
    const real = new RealMachines({ group: local, clock: systemClock, port })
    const fake = await FakeAzure.start({ clock: systemClock, ...options, real })
    return new AzureCloud(fake, contextWith({ ...login, protocolPort: port }), async () => {
      await real[Symbol.asyncDispose]()
      await local.shutdown()
    })
  }

  private constructor(fake: FakeAzure, context: PluginContext, ended: () => Promise<unknown>) {
    this.fake = fake
    this.context = context
    this.#directory = mkdtempSync(join(tmpdir(), 'azure-cloud-'))
    this.caFile = join(this.#directory, 'ca.pem')
    this.#ended = ended
    writeFileSync(this.caFile, fake.certificate)
    Object.assign(process.env, fake.env)
  }

  group(config: Readonly<Record<string, unknown>> = {}, context: Partial<PluginContext> = {}): InstanceGroup {
    return createInstanceGroup(
      { ...this.fake.config, ca_file: this.caFile, ...config },
      { ...this.context, ...context },
    )
  }

  /** Logs in to a real machine. */
  readonly connect = (info: ConnectInfo, signal: AbortSignal): Promise<Connection> =>
    createSshConnector({ connector: this.context.connector, clock: systemClock, random: systemRandom }).connect(
      info,
      signal,
    )

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fake[Symbol.asyncDispose]()
    await this.#ended()
    rmSync(this.#directory, { recursive: true })
  }
}

function contextWith(connector: ConnectorConfig, clock: Clock = systemClock): PluginContext {
  return { fleet: 'azure-test', connector, logger: silentLogger, clock, random: systemRandom }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
