import { isDeepStrictEqual } from 'node:util'
import type { ReadRunner } from './parse-config.ts'
import type { Problem } from './problem.ts'
import type { AutoscalerSettings } from './settings.ts'
import { sharedStaticHost } from './static-hosts.ts'

/** Plugins whose groups are told apart by the fleet's name alone: equal settings under two names are two groups. */
const groupedByFleet: ReadonlySet<string> = new Set(['local', 'docker'])

/**
 * Runners that would manage the same machines: each would remove the other's. What the configuration shows is found here; a group that two different
 * settings lead to is found by its identity when the second one starts.
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
  if (fleet !== undefined && fleet === (other.autoscaler.fleet ?? other.name)) return { key: 'autoscaler.fleet', what: 'a fleet' }
  if (sameGroup(one.autoscaler, other.autoscaler)) return { key: 'autoscaler.plugin_config', what: 'an instance group' }
  const host = sharedStaticHost(one.autoscaler, other.autoscaler)
  return host === undefined ? undefined : { key: `autoscaler.plugin_config.instances.${host}`, what: 'a host, or a user there,' }
}

function sameGroup(one: Partial<AutoscalerSettings>, other: Partial<AutoscalerSettings>): boolean {
  return (
    one.plugin !== undefined &&
    one.plugin === other.plugin &&
    !groupedByFleet.has(one.plugin) &&
    isDeepStrictEqual(one.pluginConfig, other.pluginConfig)
  )
}
