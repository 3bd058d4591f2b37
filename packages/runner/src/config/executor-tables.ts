import type { Problem } from './problem.ts'
import type { ReadRunner } from './read-runner.ts'
import type { AutoscalerSettings, Settings } from './settings.ts'
import { autoscalerTable } from './tables/autoscaler-table.ts'
import { table } from './tables/schema.ts'

/** The built-in group of the one Engine that `executor = "docker"` uses. */
export const enginePlugin = 'docker-engine'

type ReadSettings = Partial<Pick<Settings, 'concurrent'>>

/** What the executor of a runner needs and the file does not have. */
export function executorProblems(settings: ReadSettings, runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap((runner, index): readonly Problem[] => {
    const { executor, autoscaler, docker, trust, buildsDir } = runner
    const path = `runners[${index}]`
    const isContained = executor === 'docker' || executor === 'docker-autoscaler'
    const because = `because executor is ${JSON.stringify(executor)}`
    const problems: (Problem | false)[] = [
      executor !== 'docker' &&
        autoscaler === undefined && { path: `${path}.autoscaler`, message: 'expected a table, got nothing' },
      isContained &&
        docker === undefined && { path: `${path}.docker`, message: `expected a table, ${because}, got nothing` },
      isContained &&
        buildsDir !== undefined &&
        !/^\/.*[^/.]/.test(buildsDir) && {
          path: `${path}.builds_dir`,
          message: `expected an absolute path below /, ${because}, got ${JSON.stringify(buildsDir)}`,
        },
      executor === 'docker' &&
        trust !== undefined &&
        trust !== 'all' && {
          path: `${path}.trust`,
          message: `expected "all", ${because}, got ${JSON.stringify(trust)}: its one Engine serves all projects`,
        },
      executor === 'docker-autoscaler' &&
        trust === 'project' && {
          path: `${path}.trust`,
          message: `expected "all" or "none", ${because}, got "project": the projects that it served are not recorded`,
        },
      executor === 'docker' &&
        engineCapacity(settings, runner) === undefined && {
          path: `${path}.limit`,
          message: `expected a number above 0, ${because} and concurrent has no limit, got 0`,
        },
    ]
    return problems.filter((problem) => problem !== false)
  })
}

/** Tables that the executor of a runner has no use for. */
export function unusedTables(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ executor, autoscaler, docker }, index) => {
    const key = executor === 'instance' && docker ? 'docker' : executor === 'docker' && autoscaler ? 'autoscaler' : ''
    return key === ''
      ? []
      : [{ path: `runners[${index}].${key}`, message: `not used by executor ${JSON.stringify(executor)}, ignored` }]
  })
}

/** What is wrong in a table that is not used is nobody's trouble. */
export function isInUnusedTable({ path }: Problem, unused: readonly Problem[]): boolean {
  return unused.some((table) => path.startsWith(`${table.path}.`))
}

/** The settings that the executor leads to. */
export function withExecutorDefaults(settings: ReadSettings, runner: ReadRunner): ReadRunner {
  const { executor } = runner
  const isContained = executor === 'docker' || executor === 'docker-autoscaler'
  const { docker, autoscaler, ...rest } = runner
  return {
    ...rest,
    buildsDir: rest.buildsDir ?? (isContained ? '/builds' : 'builds'),
    cacheDir: rest.cacheDir ?? (isContained ? '/cache' : 'cache'),
    ...(isContained && docker !== undefined && { docker }),
    ...(executor === 'docker'
      ? { autoscaler: engineGroup(engineCapacity(settings, runner) ?? 1) }
      : autoscaler !== undefined && { autoscaler }),
  }
}

function engineCapacity(
  { concurrent = Number.POSITIVE_INFINITY }: ReadSettings,
  { limit = 1 }: ReadRunner,
): number | undefined {
  const capacity = Math.min(limit, concurrent)
  return Number.isFinite(capacity) ? capacity : undefined
}

/** A group whose one instance is the Engine, always there and never removed. */
function engineGroup(capacity: number): AutoscalerSettings {
  const group = { plugin: enginePlugin, max_instances: 1, capacity_per_instance: capacity }
  const kept = { delete_instances_on_shutdown: false, unknown_instances: 'leave' }
  const nothing = (): void => {}
  return table(autoscalerTable).read(
    { ...group, ...kept },
    { path: '', problem: nothing, warning: nothing, readFile: () => '' },
  ) as AutoscalerSettings
}

/** Executors whose jobs the custom executor of another runner cannot have: they need more than a place for a script. */
export function containedExecutors(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ executor }, index) =>
    executor === undefined || executor === 'instance'
      ? []
      : [
          {
            path: `runners[${index}].executor`,
            message: `expected "instance", got ${JSON.stringify(executor)}, whose containers cannot run the scripts of another runner`,
          },
        ],
  )
}
