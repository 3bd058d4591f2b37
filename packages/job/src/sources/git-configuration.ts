import type { BuildPaths } from '../build-paths.ts'
import { quote } from '../script/quote.ts'
import type { ShellVariables } from '../variables/shell-variables.ts'

/**
 * Shell text that gives our own git a configuration that no earlier job could write: none of the login's and none of
 * the machine's, no hooks, no file system monitor. What `pre_get_sources_script` sets globally is kept beside the work
 * tree, and holds until the sources are there. What the job's or the runner's own variables say (`GIT_CONFIG_GLOBAL`,
 * `GIT_CONFIG_SYSTEM`, `GIT_CONFIG_COUNT`) holds.
 */
export function ownConfiguration({
  variables,
  paths,
  ignoresOwners = false,
}: {
  readonly variables: Pick<ShellVariables, 'exported'>
  readonly paths: Pick<BuildPaths, 'temporaryDir'>
  readonly ignoresOwners?: boolean | undefined
}): string {
  const given = new Map(variables.exported.map(({ key, value }) => [key, value]))
  const own = [`GIT_CONFIG_GLOBAL=${quote(`${paths.temporaryDir}/gitconfig`)}`, 'GIT_CONFIG_SYSTEM=/dev/null']
  const files = own.filter((assignment) => !given.has(assignment.slice(0, assignment.indexOf('='))))
  const count = /^\d{1,6}$/.exec(given.get('GIT_CONFIG_COUNT') ?? '0')?.[0]
  const at = Number(count)
  const settings = {
    'core.hooksPath': '/dev/null',
    'core.fsmonitor': 'false',
    ...(ignoresOwners && { 'safe.directory': "'*'" }),
  }
  const pairs = Object.entries(settings).flatMap(([key, value], index) => [
    `GIT_CONFIG_KEY_${at + index}=${key}`,
    `GIT_CONFIG_VALUE_${at + index}=${value}`,
  ])
  const counted = count === undefined ? [] : [`GIT_CONFIG_COUNT=${at + pairs.length / 2}`, ...pairs]
  return ['export', ...files, ...counted].join(' ')
}
