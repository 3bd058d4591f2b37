import { isDeepStrictEqual } from 'node:util'
import { enginePlugin } from '../executor-tables.ts'
import { type NamedGroup, namedGroups } from '../named-groups.ts'
import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'
import type { AutoscalerSettings } from '../settings.ts'
import { sharedStaticHost } from './static-hosts.ts'

/** Plugins whose groups are told apart by the fleet's name alone: equal settings under two names are two groups. */
const groupedByFleet: ReadonlySet<string> = new Set(['local', 'docker', enginePlugin])

/**
 * What names a group to everybody, whatever account or key it is asked with: these equal, the group is the same. The
 * first key and the last must be there.
 */
const identityKeys: ReadonlyMap<string, readonly string[]> = new Map([
  ['gce', ['project', 'region', 'zone', 'name']],
  ['azure', ['subscription_id', 'resource_group_name', 'name']],
])

/**
 * Runners that would manage the same machines: each would remove the other's. What the configuration shows is found
 * here; a group that two different settings lead to is found by its identity when the second one starts.
 */
export function sharedGroups(runners: readonly ReadRunner[]): readonly Problem[] {
  const problems: Problem[] = []
  runners.forEach((runner, index) => {
    for (const [earlier, other] of runners.slice(0, index).entries()) {
      const clash = sharedWith(runner, other)
      if (clash === undefined) continue
      problems.push({
        path: `runners[${index}].${clash.key}`,
        message: `expected ${clash.what} of its own, got that of runners[${earlier}]`,
      })
      break
    }
  })
  return problems
}

function sharedWith(one: ReadRunner, other: ReadRunner): { key: string; what: string } | undefined {
  if (one.name !== undefined && one.name === other.name) return { key: 'name', what: 'a name' }
  if (one.autoscaler === undefined || other.autoscaler === undefined) return undefined
  const fleet = one.autoscaler.fleet ?? one.name
  if (fleet !== undefined && fleet === (other.autoscaler.fleet ?? other.name))
    return { key: 'autoscaler.fleet', what: 'a fleet' }
  const others = namedGroups(other.autoscaler)
  for (const group of namedGroups(one.autoscaler)) {
    const at = `autoscaler.${group.path}plugin_config`
    if (others.some((candidate) => sameGroup(group, candidate))) return { key: at, what: 'an instance group' }
    const host = others.map((candidate) => sharedStaticHost(group, candidate)).find((name) => name !== undefined)
    if (host !== undefined) return { key: `${at}.instances.${host}`, what: 'a host, or a user there,' }
  }
  return undefined
}

function sameGroup(one: NamedGroup, other: NamedGroup): boolean {
  return (
    one.plugin !== undefined &&
    one.plugin === other.plugin &&
    !groupedByFleet.has(one.plugin) &&
    (isDeepStrictEqual(one.pluginConfig, other.pluginConfig) ||
      sameIdentity(one.plugin, one.pluginConfig, other.pluginConfig))
  )
}

function sameIdentity(
  plugin: string,
  one: AutoscalerSettings['pluginConfig'] = {},
  other: AutoscalerSettings['pluginConfig'] = {},
): boolean {
  const keys = identityKeys.get(plugin) ?? []
  const identity = keys.map((key) => one[key])
  const isComplete = [identity.at(0), identity.at(-1)].every((value) => typeof value === 'string')
  const others = keys.map((key) => other[key])
  return isComplete && isDeepStrictEqual(identity, others)
}
