import { ConfigTable } from '../contract/config-table.ts'
import type { ConnectorConfig } from '../contract/instance-group.ts'
import { parseConnector } from './connector-section.ts'
import { isMemberName, memberNameRule } from './fleet-id.ts'

/** `plugin_config` of `plugin = "multi"`. */
export interface MultiConfig {
  readonly prefer: 'order' | 'price' | 'weight'
  readonly noCapacityMs: number
  readonly groups: readonly MemberConfig[]
}

/** `plugin_config.groups.NAME` */
export interface MemberConfig {
  readonly name: string
  readonly plugin: string
  /** The plugin's own settings, unread. */
  readonly pluginConfig: unknown
  /** What is different from the fleet's `connector_config`. */
  readonly connector?: ConnectorConfig
  readonly capacityPerInstance?: number
  readonly maxInstances?: number
  readonly weight?: number
  readonly price?: number
}

/** Thrown: `invalid_config`, with every problem. The members' own settings are for their plugins to check. */
export function parseConfig(config: unknown): MultiConfig {
  const table = new ConfigTable(config)
  const prefer = table.choice('prefer', ['order', 'price', 'weight']) ?? 'order'
  const noCapacityMs = (table.integer('no_capacity_seconds', { min: 1, max: 3600 }) ?? 300) * 1000
  const groups = [...table.tables('groups')].map(([name, member]) => {
    if (!isMemberName(name)) table.problem('groups', `names of ${memberNameRule}`, JSON.stringify(name))
    return parseMember(name, member)
  })
  if (groups.length === 0) table.problem('groups', 'a table for each group', 'none')
  table.check()
  return { prefer, noCapacityMs, groups }
}

function parseMember(name: string, table: ConfigTable): MemberConfig {
  const plugin = table.string('plugin')
  if (!table.has('plugin')) table.problem('plugin', 'the plugin of this group', 'nothing')
  const connector = table.has('connector_config') ? parseConnector(table.section('connector_config')) : undefined
  const capacityPerInstance = table.integer('capacity_per_instance', { min: 1 })
  const maxInstances = table.integer('max_instances', { min: 1 })
  const weight = table.number('weight', { above: 0 })
  const price = table.number('price', { min: 0 })
  return {
    name,
    plugin: plugin ?? '',
    pluginConfig: table.table('plugin_config') ?? {},
    ...(connector !== undefined && { connector }),
    ...(capacityPerInstance !== undefined && { capacityPerInstance }),
    ...(maxInstances !== undefined && { maxInstances }),
    ...(weight !== undefined && { weight }),
    ...(price !== undefined && { price }),
  }
}
