import { readFileSync, statSync } from 'node:fs'
import { describeError } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { checkPlugins, type FindPlugin } from './checks/check-plugins.ts'
import { trustWarnings } from './checks/trust.ts'
import { isEverywhere } from './is-everywhere.ts'
import { namedGroups } from './named-groups.ts'
import { acceptConfig, type ParsedConfig, placeProblems, readConfig } from './parse-config.ts'
import { ConfigError, type Problem } from './problem.ts'
import type { Settings } from './settings.ts'

export interface LoadedConfig extends ParsedConfig {
  /** What may be meant, and is less safe than it could be. */
  readonly advice: readonly Problem[]
}

/**
 * Reads a configuration file and checks everything that can be checked without touching a machine: keys, files, plugins
 * and the plugins' own settings. Relative paths in it are relative to the working directory. Thrown: `ConfigError` with
 * every problem.
 */
export async function loadConfig(file: string, findPlugin: FindPlugin = loadPlugin): Promise<LoadedConfig> {
  const toml = readConfigFile(file)
  const read = readConfig(toml, { file })
  const pluginProblems = await checkPlugins(read.settings.runners ?? [], findPlugin)
  const problems = [...read.problems, ...pluginProblems]
  const { settings } = read
  const advice = [...trustWarnings(settings.runners ?? []), ...listensEverywhere(settings), ...readableByOthers(file)]
  return { ...acceptConfig(toml, { ...read, problems }, { file }), advice: placeProblems(toml, advice) }
}

/**
 * The plugins that a configuration names, those of groups in groups too, each with its first runner's name; whatever
 * else is wrong with it. Thrown: `ConfigError` when it cannot be read at all.
 */
export function readPlugins(file: string): ReadonlyMap<string, string> {
  const plugins = new Map<string, string>()
  for (const { name = '', executor, autoscaler = {} } of readConfig(readConfigFile(file), { file }).settings.runners ??
    []) {
    if (executor === 'docker') continue
    for (const { plugin } of namedGroups(autoscaler)) {
      if (plugin !== undefined && !plugins.has(plugin)) plugins.set(plugin, name)
    }
  }
  return plugins
}

/** A problem of a configuration file that showed only in use, told like those that reading it finds. */
export function lateConfigError(file: string, problem: Problem, options?: { readonly cause: unknown }): ConfigError {
  return new ConfigError(file, placeProblems(readConfigFile(file), [problem]), options)
}

function listensEverywhere({ listenAddress }: Pick<Partial<Settings>, 'listenAddress'>): readonly Problem[] {
  if (listenAddress === undefined || !isEverywhere(listenAddress)) return []
  const message =
    'expected one address, such as "127.0.0.1:9252", got all addresses of this machine: the pages need no login'
  return [{ path: 'listen_address', message }]
}

/** It holds the runners' tokens. */
function readableByOthers(file: string): readonly Problem[] {
  const { mode } = statSync(file)
  if ((mode & 0o006) === 0 || process.platform === 'win32') return []
  const got = (mode & 0o777).toString(8)
  return [
    {
      path: '',
      message: `expected a file that others cannot read or write, since it holds tokens, got mode ${got}: chmod 600 fixes it`,
    },
  ]
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const got = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : describeError(error)
    throw new ConfigError(file, [{ path: '', message: `expected a readable file, got ${got}` }], { cause: error })
  }
}
