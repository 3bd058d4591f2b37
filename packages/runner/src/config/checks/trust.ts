import { namedGroups } from '../named-groups.ts'
import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'

/** The plugin whose instances are the manager's own machine, and whose jobs are the manager's own user. */
const ownMachine = 'local'
/** The plugin whose hosts come back. */
const lastingHosts = 'static'

/** What `trust` asks for and the other settings do not give. */
export function trustProblems(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ trust, executor, autoscaler = {} }, index) => {
    if (trust !== 'none' || executor === 'docker') return []
    const path = `runners[${index}].trust`
    const { maxUseCount, capacityPerInstance } = autoscaler
    const own = `runners[${index}].autoscaler`
    return [
      ...(plugins(autoscaler).has(ownMachine)
        ? [
            {
              path,
              message:
                'expected "all" or "project", got "none" with plugin "local": a job there is the manager\'s own user',
            },
          ]
        : []),
      ...(maxUseCount !== undefined && maxUseCount > 1
        ? [{ path: `${own}.max_use_count`, message: `expected 1, because trust is "none", got ${maxUseCount}` }]
        : []),
      ...(capacityPerInstance !== undefined && capacityPerInstance > 1
        ? [
            {
              path: `${own}.capacity_per_instance`,
              message: `expected 1, because trust is "none", got ${capacityPerInstance}`,
            },
          ]
        : []),
    ]
  })
}

/** Where jobs of different projects can meet though nobody said that they may, or where they meet all the same. */
export function trustWarnings(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ trust, executor, autoscaler = {} }, index) => {
    if (executor === 'docker') return []
    const { maxUseCount = 0, capacityPerInstance = 1 } = autoscaler
    if (trust === undefined) {
      if (maxUseCount === 1 && capacityPerInstance === 1) return []
      const beside = capacityPerInstance > 1 ? ', and run beside each other' : ''
      const count = maxUseCount > 0 && Number.isFinite(maxUseCount) ? '' : ' (max_use_count is not set)'
      return [
        {
          path: `runners[${index}]`,
          message: `expected trust = "all", "project" or "none", got nothing: jobs of different projects can follow each other on an instance${count}${beside}; see docs/security.md`,
        },
      ]
    }
    if (trust === 'all' || !plugins(autoscaler).has(lastingHosts)) return []
    const message =
      trust === 'none'
        ? 'expected a plugin that launches new instances, got "static": its hosts serve one job after the other'
        : 'expected a plugin that launches new instances, got "static": a host stays with the first project it served until the manager restarts'
    return [{ path: `runners[${index}].trust`, message }]
  })
}

/** The settings that `trust` leads to. */
export function withTrust(runner: ReadRunner): ReadRunner {
  const { trust, executor, autoscaler } = runner
  if (trust !== 'none' || executor === 'docker' || autoscaler === undefined) return runner
  return { ...runner, autoscaler: { ...autoscaler, maxUseCount: 1 } }
}

function plugins(autoscaler: NonNullable<ReadRunner['autoscaler']>): ReadonlySet<string> {
  return new Set(namedGroups(autoscaler).flatMap(({ plugin }) => plugin ?? []))
}
