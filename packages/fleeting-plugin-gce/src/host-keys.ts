import { GroupError, isGroupError, type PluginContext } from '@runner-core/fleeting'
import type { ComputeClient } from './client.ts'
import type { Metadata } from './compute-api.ts'
import type { Machine } from './machines.ts'
import { isOn } from './metadata.ts'

/** How long a machine may take to publish its host keys, from when they were first asked for, milliseconds. */
const patienceMs = 120_000

/**
 * The host keys that a machine published as guest attributes, if it may. Thrown: `not_ready` while it may still do so.
 */
export async function publishedHostKeys(
  client: ComputeClient,
  { name, zone, instance, guest }: Machine,
  project: Metadata | undefined,
  { clock, connector, logger }: PluginContext,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (guest.hostKeys !== undefined) return guest.hostKeys
  if (connector.hostKeyChecking === 'off' || !isOn('enable-guest-attributes', instance.metadata, project)) return []
  guest.hostKeysAskedAt ??= clock.now()
  const items = await client.getGuestAttributes(zone, name, 'hostkeys/', signal).catch((error: unknown) => {
    if (isGroupError(error) && error.code === 'not_found') return []
    throw error
  })
  if (items.length === 0 && clock.now() - guest.hostKeysAskedAt < patienceMs) {
    throw new GroupError('not_ready', `${name} has not published its host keys yet`, { instanceId: name })
  }
  if (items.length === 0) logger.warn({ instance: name }, 'an instance publishes no host keys as guest attributes')
  guest.hostKeys = items.map(({ key, value }) => `${key} ${value}`)
  return guest.hostKeys
}
