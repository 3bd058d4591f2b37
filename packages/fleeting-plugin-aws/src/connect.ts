import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import type { Instance } from '@aws-sdk/client-ec2'
import { type ConnectInfo, type Finding, GroupError, type KeyPair, type PluginContext } from '@runner-core/fleeting'
import { fleetKeyPair } from '@runner-core/fleeting/ssh'
import type { AwsClient } from './client.ts'
import type { CredentialKind } from './config.ts'
import { consoleHostKeys } from './console-host-keys.ts'
import type { Machines } from './machines.ts'
import { keyNotInUserData, letsIn } from './user-data-key.ts'
import { decryptPassword } from './windows-password.ts'

/** A pushed key is let in for 60 s; less, since the dial begins later than the push. */
const pushedKeyMs = 55_000
/** A console that shows no host keys after so many reads is not asked again, unless they are required. */
const consoleReads = 5

type Credentials = Pick<ConnectInfo, 'privateKey' | 'password' | 'agentSocket' | 'expiresAt'>

/** How to reach the instances of one group. */
export class Connections {
  readonly #client: AwsClient
  readonly #machines: Machines
  readonly #context: PluginContext
  readonly #kind: CredentialKind
  #keyPair: KeyPair | undefined
  readonly #hostKeys = new Map<string, { readonly keys: readonly string[]; readonly reads: number }>()
  readonly #passwords = new Map<string, string>()

  constructor(client: AwsClient, machines: Machines, context: PluginContext, kind: CredentialKind | undefined) {
    this.#client = client
    this.#machines = machines
    this.#context = context
    this.#kind = kind ?? (context.connector.useStaticCredentials ? 'static' : 'instance-connect')
  }

  /** Thrown: `invalid_config`, when the connector's settings do not fit the kind of credentials. */
  async init(): Promise<void> {
    const { privateKey, password, agentSocket } = this.#context.connector
    if (this.#kind === 'user-data' && privateKey === undefined && this.#context.fleetKey === undefined) {
      throw new GroupError(
        'invalid_config',
        'connector_config.key_path: expected a private key whose public key is in the user data, since without it a new key is generated at each start, got nothing',
      )
    }
    if (this.#kind === 'instance-connect' || this.#kind === 'user-data')
      this.#keyPair = await fleetKeyPair(this.#context.connector, this.#context.fleetKey)
    if (this.#kind === 'windows-password' && privateKey === undefined) {
      throw new GroupError(
        'invalid_config',
        "connector_config.key_path: expected the RSA key of the instances' key pair, got nothing",
      )
    }
    if (this.#kind === 'static' && privateKey === undefined && password === undefined && agentSocket === undefined) {
      throw new GroupError(
        'invalid_config',
        'connector_config: expected key_path, password or an agent, since the credentials are static, got none',
      )
    }
  }

  /** What is wrong with how machines let us in. */
  async findings(group: AutoScalingGroup, signal: AbortSignal): Promise<readonly Finding[]> {
    const template = group.LaunchTemplate ?? group.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification
    if (this.#kind !== 'user-data' || template === undefined) return []
    const { publicKey } = this.#keyPair!
    return letsIn(await this.#client.userData(template, signal), publicKey) ? [] : [keyNotInUserData(publicKey)]
  }

  /** Thrown: `not_ready`, `not_found`. */
  async info(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    const instance = await this.#machines.find(id, signal)
    const { PrivateIpAddress, PublicIpAddress } = running(id, instance)
    const os = osOf(instance)
    const arch = archOf(instance)
    const { protocolPort } = this.#context.connector
    const username = this.#context.connector.username ?? (os === 'windows' ? 'Administrator' : 'ec2-user')
    const hostKeys = await this.#knownHostKeys(id, signal)
    const credentials = await this.#credentials(id, username, signal)
    return {
      instanceId: id,
      protocol: 'ssh',
      internalAddress: PrivateIpAddress!,
      ...(PublicIpAddress !== undefined && { externalAddress: PublicIpAddress }),
      ...(protocolPort !== undefined && { port: protocolPort }),
      username,
      ...credentials,
      hostKeys,
      os,
      ...(arch !== undefined && { arch }),
    }
  }

  keepOnly(ids: ReadonlySet<string>): void {
    for (const memory of [this.#hostKeys, this.#passwords])
      for (const id of memory.keys()) if (!ids.has(id)) memory.delete(id)
  }

  async #credentials(id: string, username: string, signal: AbortSignal): Promise<Credentials> {
    const { connector, clock } = this.#context
    if (this.#kind === 'instance-connect') {
      const expiresAt = clock.wallTime() + pushedKeyMs
      await this.#client.pushKey(id, username, this.#keyPair!.publicKey, signal)
      return { privateKey: this.#keyPair!.privateKey, expiresAt }
    }
    if (this.#kind === 'user-data') return { privateKey: this.#keyPair!.privateKey }
    if (this.#kind === 'windows-password') return { password: await this.#windowsPassword(id, signal) }
    const { privateKey, password, agentSocket } = connector
    return {
      ...(privateKey !== undefined && { privateKey }),
      ...(password !== undefined && { password }),
      ...(agentSocket !== undefined && { agentSocket }),
    }
  }

  async #windowsPassword(id: string, signal: AbortSignal): Promise<string> {
    const known = this.#passwords.get(id)
    if (known !== undefined) return known
    const data = await this.#client.passwordData(id, signal)
    if (data === '') throw new GroupError('not_ready', `${id} has no password yet`, { instanceId: id })
    const password = decryptPassword(data, this.#context.connector.privateKey!)
    this.#passwords.set(id, password)
    return password
  }

  async #knownHostKeys(id: string, signal: AbortSignal): Promise<readonly string[]> {
    const { hostKeyChecking = 'pin' } = this.#context.connector
    const { keys, reads } = this.#hostKeys.get(id) ?? { keys: [], reads: 0 }
    const isEnough =
      hostKeyChecking === 'off' || keys.length > 0 || (hostKeyChecking === 'pin' && reads >= consoleReads)
    if (isEnough) return keys
    const found = consoleHostKeys(await this.#client.consoleOutput(id, signal))
    this.#hostKeys.set(id, { keys: found, reads: reads + 1 })
    if (found.length === 0 && hostKeyChecking === 'strict') {
      throw new GroupError('not_ready', `${id} has not printed its host keys yet, and host key checking is strict`, {
        instanceId: id,
      })
    }
    return found
  }
}

/** Thrown: `not_ready`, `not_found`. */
export function running(id: string, instance: Instance | undefined): Instance {
  const { State, StateReason } = instance ?? {}
  const state = State?.Name ?? 'not an instance of this group in EC2'
  if (state === 'running' && instance?.PrivateIpAddress !== undefined) return instance
  const isComing = state === 'pending' || state === 'running'
  const reason = StateReason?.Message === undefined ? '' : ` (${StateReason.Message})`
  throw new GroupError(isComing ? 'not_ready' : 'not_found', `${id} is ${state}${reason}`, { instanceId: id })
}

function osOf(instance: Instance | undefined): NonNullable<ConnectInfo['os']> {
  if (instance?.Architecture?.endsWith('_mac')) return 'darwin'
  return instance?.Platform?.toLowerCase() === 'windows' ? 'windows' : 'linux'
}

/** In Go's words. */
function archOf(instance: Instance | undefined): string | undefined {
  const names: Readonly<Record<string, string>> = {
    x86_64: 'amd64',
    x86_64_mac: 'amd64',
    arm64: 'arm64',
    arm64_mac: 'arm64',
    i386: '386',
  }
  return names[instance?.Architecture ?? '']
}
