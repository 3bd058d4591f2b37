import { accessSync, constants } from 'node:fs'
import { ConfigTable } from '@runner-core/fleeting'

/** `[runners.autoscaler.plugin_config]` of the plugin `gce`, parsed. */
export interface GceConfig {
  /** Key `name`: of the managed instance group. */
  readonly name: string
  /** Key `project`: its id or number. */
  readonly project: string
  /** Key `zone` or `region`: where the group is. */
  readonly scope: GroupScope
  /**
   * Key `credentials_file`: one of the kinds of files with credentials that Google makes. Default: Google's default
   * credentials.
   */
  readonly credentialsFile: string | undefined
  /**
   * Key `endpoint`: the API's root, that of a private one or an emulator. Ends in a slash. Default: that of the
   * credentials' universe, `https://compute.googleapis.com/` in the public one.
   */
  readonly endpoint: string | undefined
  /**
   * Key `ssh_keys`: how a machine learns our key. `creation` (default): in its metadata from the start, as preserved
   * state of its own. `metadata`: in its metadata once it is first connected to.
   */
  readonly sshKeys: 'creation' | 'metadata'
  /**
   * Key `max_size`: the largest number of machines. Default: what Compute Engine allows a group when nobody asked for
   * more, 1,000 in a zone and 2,000 in a region.
   */
  readonly maxSize: number
}

/** Where a group is, by its words in the API's paths. */
interface GroupScope {
  readonly kind: 'zones' | 'regions'
  readonly name: string
}

/** Documented defaults, which Google raises on request. */
export const defaultMaxSize = { zones: 1000, regions: 2000 } as const

const resourceName = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/
const projectName = /^([-a-z0-9.]+:)?([a-z][-a-z0-9]*|[0-9]+)$/

/** Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown): GceConfig {
  const table = new ConfigTable(config)
  const [name, project] = [required(table, 'name', 'a group'), required(table, 'project', 'a project')]
  const [zone, region] = [table.string('zone'), table.string('region')]
  if (!table.has('zone') && !table.has('region')) table.problem('zone', 'a zone here, or a region in region')
  if (table.has('zone') && table.has('region')) table.problem('region', 'either zone or region')
  for (const [key, value, rule] of [
    ['name', name, resourceName],
    ['project', project, projectName],
    ['zone', zone, resourceName],
    ['region', region, resourceName],
  ] as const) {
    if (value !== undefined && !rule.test(value)) table.problem(key, 'a name as Google Cloud has them, without a path')
  }
  const scope: GroupScope = zone === undefined ? { kind: 'regions', name: region ?? '' } : { kind: 'zones', name: zone }
  const parsed: GceConfig = {
    name: name ?? '',
    project: project ?? '',
    scope,
    credentialsFile: readableFile(table, 'credentials_file'),
    endpoint: root(table, 'endpoint'),
    sshKeys: table.choice('ssh_keys', ['creation', 'metadata']) ?? 'creation',
    maxSize: table.integer('max_size', { min: 1 }) ?? defaultMaxSize[scope.kind],
  }
  table.check()
  return parsed
}

function required(table: ConfigTable, key: string, what: string): string | undefined {
  const value = table.string(key)
  if (!table.has(key)) table.problem(key, `${what}'s name`)
  return value
}

function readableFile(table: ConfigTable, key: string): string | undefined {
  const path = table.string(key)
  try {
    if (path !== undefined) accessSync(path, constants.R_OK)
  } catch (error) {
    table.problem(key, 'a file that can be read', (error as Error).message)
  }
  return path
}

/** With or without a slash in the end, with or without `compute/v1`, as other clients want it. */
function root(table: ConfigTable, key: string): string | undefined {
  const text = table.url(key)
  if (text === undefined) return undefined
  return `${text.replace(/\/+$/, '').replace(/\/compute\/v1$/, '')}/`
}
