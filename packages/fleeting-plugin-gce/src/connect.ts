import { type ConnectInfo, delay, GroupError, type PluginContext } from '@runner-core/fleeting'
import { fleetKeyPair } from '@runner-core/fleeting/ssh'
import type { ComputeClient } from './client.ts'
import type { Metadata } from './compute-api.ts'
import { withFingerprint } from './fingerprints.ts'
import { publishedHostKeys } from './host-keys.ts'
import type { Machine, Machines } from './machines.ts'
import { admits, isOn, withSshKey } from './metadata.ts'

/** By what machines let us in. */
export interface Login extends Pick<ConnectInfo, 'username' | 'privateKey' | 'password' | 'agentSocket'> {
  /** To be put on the machines. Absent: they know the operator's credentials already. */
  readonly publicKey?: string
}

/**
 * Time for the guest agent, which watches the metadata of its machine, to let in a key that was put there,
 * milliseconds. Supposed.
 */
const admissionMs = 2000
/** How often metadata are written that others overwrite meanwhile. */
const metadataTries = 3

/** Thrown: `invalid_config` when the operator's key cannot be used. */
export async function loginOf({ connector, fleetKey }: Pick<PluginContext, 'connector' | 'fleetKey'>): Promise<Login> {
  const { username = 'runner', privateKey, password, agentSocket, useStaticCredentials = false } = connector
  if (!useStaticCredentials) return { username, ...(await fleetKeyPair(connector, fleetKey)) }
  return {
    username,
    ...(privateKey !== undefined && { privateKey }),
    ...(password !== undefined && { password }),
    ...(agentSocket !== undefined && { agentSocket }),
  }
}

export interface ConnectOptions {
  readonly client: ComputeClient
  readonly machines: Machines
  readonly login: Login
  readonly project: Metadata | undefined
  readonly context: PluginContext
}

/**
 * How to reach a machine, which is made to let us in. Thrown: `not_found`, `not_ready`, `invalid_config` when OS Login
 * is on.
 */
export async function connectInfo(name: string, options: ConnectOptions, signal: AbortSignal): Promise<ConnectInfo> {
  const { client, machines, project, context } = options
  const { publicKey: _, ...login } = options.login
  const machine = await machines.running(name, signal)
  const { networkIP, accessConfigs } = machine.instance.networkInterfaces?.[0] ?? {}
  const natIP = accessConfigs?.find((config) => config.natIP !== undefined)?.natIP
  if (networkIP === undefined) throw new GroupError('not_ready', `${name} has no address yet`, { instanceId: name })
  await admit(machine, options, signal)
  return {
    instanceId: name,
    protocol: 'ssh',
    internalAddress: networkIP,
    ...(natIP !== undefined && { externalAddress: natIP }),
    ...login,
    hostKeys: await publishedHostKeys(client, machine, project, context, signal),
  }
}

/**
 * Puts our key into the machine's metadata unless it is there: the machine was made by an earlier process or by
 * somebody else, or was not given the key at its creation.
 */
async function admit(
  machine: Machine,
  { client, machines, login, project, context }: ConnectOptions,
  signal: AbortSignal,
): Promise<void> {
  const { username, publicKey } = login
  if (publicKey === undefined) return
  const { name, zone, guest } = machine
  if (isOn('enable-oslogin', machine.instance.metadata, project))
    throw new GroupError('invalid_config', osLogin(name), { instanceId: name })
  let { metadata } = machine.instance
  let isRead = true
  const read = async (): Promise<void> => {
    metadata = (await machines.reread(name, zone, signal)).instance.metadata
  }
  const write = async (): Promise<void> => {
    if (!isRead) await read()
    isRead = false
    if (admits(metadata, username, publicKey)) return
    const changed = { fingerprint: metadata?.fingerprint ?? '', items: withSshKey(metadata, username, publicKey) }
    await client.setMetadata(zone, name, changed, signal)
    guest.keyAddedAt = context.clock.now()
  }
  for (let tries = 1; !admits(metadata, username, publicKey); tries += 1) {
    if (tries > metadataTries)
      throw new GroupError('conflict', `the metadata of ${name} keeps being changed by others`, { instanceId: name })
    await withFingerprint(context.clock, write, signal)
    await read()
    isRead = true
  }
  const waitMs = (guest.keyAddedAt ?? Number.NEGATIVE_INFINITY) + admissionMs - context.clock.now()
  if (waitMs > 0) await delay(context.clock, waitMs, signal)
}

function osLogin(name: string): string {
  return `OS Login is on for ${name}, so it ignores keys in its metadata: set enable-oslogin=FALSE in the instance template, or use_static_credentials with a key of an OS Login user`
}
