import { parseAddress } from '@runner-core/fleeting/ssh'
import type { AutoscalerSettings } from '../settings.ts'

/**
 * The name that `one` has for a login on a host that `other` has too, under whatever name; the plugin of both is
 * `static`. What cannot be read is the plugin's to report.
 */
export function sharedStaticHost(
  one: Partial<AutoscalerSettings>,
  other: Partial<AutoscalerSettings>,
): string | undefined {
  if (one.plugin !== 'static' || other.plugin !== 'static') return undefined
  const taken = new Set(staticLogins(other).map(({ login }) => login))
  return staticLogins(one).find(({ login }) => taken.has(login))?.name
}

function staticLogins({
  pluginConfig,
  connector = {},
}: Partial<AutoscalerSettings>): readonly { name: string; login: string }[] {
  const hosts = asTable(asTable(pluginConfig)['instances'])
  return Object.entries(hosts).flatMap(([name, value]) => {
    const { internal_addr: internal, external_addr: external, protocol_port: port, username } = asTable(value)
    const address = (connector.useExternalAddress ? external : internal) ?? internal ?? external
    if (typeof address !== 'string') return []
    try {
      const { host, port: dialled } = parseAddress(
        address,
        typeof port === 'number' ? port : (connector.protocolPort ?? 22),
      )
      return [{ name, login: JSON.stringify([host.toLowerCase(), dialled, username ?? connector.username]) }]
    } catch {
      return []
    }
  })
}

function asTable(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
