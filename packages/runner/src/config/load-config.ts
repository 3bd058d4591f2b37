import { readFileSync, statSync } from 'node:fs'
import { describeError } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { checkPlugins, type FindPlugin } from './checks/check-plugins.ts'
import { trustWarnings } from './checks/trust.ts'
import { isEverywhere } from './is-everywhere.ts'
import { isRefusedKey } from './key-verdicts.ts'
import { namedGroups } from './named-groups.ts'
import { acceptConfig, type ParsedConfig, placeProblems, readConfig } from './parse-config.ts'
import { ConfigError, type Problem } from './problem.ts'
import type { Settings } from './settings.ts'

export interface LoadedConfig extends ParsedConfig {
  /** What may be meant, and is less safe than it could be. */
  readonly advice: readonly Problem[]
}

/** A configuration of which some runners may be refused. */
export interface RunnableConfig extends LoadedConfig {
  /** Those of the file that are not in `settings`, in its order. */
  readonly refused: readonly RefusedRunner[]
}

/** A `[[runners]]` entry that does not run, since something is wrong with it. */
interface RefusedRunner {
  /** Its place in the file. */
  readonly index: number
  /** Where it has none: its place, `runners[1]`. */
  readonly name: string
  readonly problems: readonly Problem[]
}

export interface LoadConfigOptions {
  /** Default: `loadPlugin`. */
  readonly findPlugin?: FindPlugin
  /** See `ConfigSource`. */
  readonly allowIgnored?: readonly string[]
}

/**
 * Reads a configuration file and checks everything that can be checked without touching a machine: keys, files, plugins
 * and the plugins' own settings. Relative paths in it are relative to the working directory. Thrown: `ConfigError` with
 * every problem.
 */
export async function loadConfig(file: string, findPlugin: FindPlugin = loadPlugin): Promise<LoadedConfig> {
  const { refused, ...config } = await loadRunnable(file, { findPlugin })
  if (refused.length > 0)
    throw new ConfigError(
      file,
      refused.flatMap(({ problems }) => problems),
    )
  return config
}

/**
 * The same, where runners with a problem are left out. Thrown: `ConfigError` with every problem, when one concerns all
 * runners, or none is left.
 */
export async function loadRunnable(
  file: string,
  { findPlugin = loadPlugin, allowIgnored = [] }: LoadConfigOptions = {},
): Promise<RunnableConfig> {
  const unknown = allowIgnored.filter((name) => !isRefusedKey(name))
  if (unknown.length > 0)
    throw new ConfigError(
      file,
      unknown.map((name) => ({
        path: '',
        message: `--allow-ignored: expected a key that is refused, got ${JSON.stringify(name)}`,
      })),
    )
  const toml = readConfigFile(file)
  const read = readConfig(toml, { file, allowIgnored })
  const { settings } = read
  const runners = settings.runners ?? []
  const problems = placeProblems(toml, [...read.problems, ...(await checkPlugins(runners, findPlugin))])
  const refused = runners.map((_, index) => problems.filter(({ path }) => isInRunner(path, index)))
  const ofNone = problems.filter(({ path }) => !runners.some((_, index) => isInRunner(path, index)))
  if (ofNone.length > 0 || (problems.length > 0 && refused.every(({ length }) => length > 0)))
    throw new ConfigError(file, problems)
  const advice = [...trustWarnings(runners), ...listensEverywhere(settings), ...readableByOthers(file)]
  const runnable = { ...settings, runners: runners.filter((_, index) => refused[index]?.length === 0) }
  return {
    ...acceptConfig(toml, { settings: runnable, problems: [], warnings: read.warnings }, { file }),
    advice: placeProblems(toml, advice),
    refused: refused.flatMap((each, index) =>
      each.length === 0 ? [] : { index, name: runners[index]?.name ?? `runners[${index}]`, problems: each },
    ),
  }
}

function isInRunner(path: string, index: number): boolean {
  return path === `runners[${index}]` || path.startsWith(`runners[${index}].`)
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
