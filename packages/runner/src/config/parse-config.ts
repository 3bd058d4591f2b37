import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { incompleteCaches } from './checks/incomplete-caches.ts'
import { policiesWithoutEffect } from './checks/policies-without-effect.ts'
import { uselessPrewarmImages } from './checks/prewarm-images.ts'
import { sharedGroups } from './checks/shared-groups.ts'
import { trustProblems, withTrust } from './checks/trust.ts'
import { executorProblems, isInUnusedTable, unusedTables, withExecutorDefaults } from './executor-tables.ts'
import { keyLines, lineOf } from './key-lines.ts'
import { ConfigError, type Problem } from './problem.ts'
import type { ReadRunner } from './read-runner.ts'
import type { Settings } from './settings.ts'
import { defaultStateKeyFile, keyBesideState, withStorageDirectory } from './state-settings.ts'
import { configTable } from './tables/config-table.ts'
import { nameOf, table } from './tables/schema.ts'

export interface ConfigSource {
  /** Name of the file, for messages. Default `config.toml`. */
  readonly file?: string
  /** Reads a file that the configuration names; throws as `fs.readFileSync` does, which is the default. */
  readonly readFile?: (path: string) => string
  /** Variables that `url` and `token` may name. Default: those of this process. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Keys that are refused and may be ignored with a warning: `runners.referees`. Default: none. */
  readonly allowIgnored?: readonly string[]
}

export interface ParsedConfig {
  readonly settings: Settings
  /** Keys that GitLab Runner knows and this program ignores, and settings that cannot be meant. */
  readonly warnings: readonly Problem[]
}

/**
 * A configuration as far as it could be read. With problems, settings that had one are absent, whatever their type
 * says.
 */
export interface ReadConfig {
  readonly settings: Partial<Pick<Settings, 'stateDir' | 'stateKeyFile' | 'listenAddress'>> & {
    readonly runners?: readonly ReadRunner[]
  }
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Reads a configuration. Thrown: {@link ConfigError} with every problem in it, nothing else for whatever text. */
export function parseConfig(toml: string, source: ConfigSource = {}): ParsedConfig {
  return acceptConfig(toml, readConfig(toml, source), source)
}

/**
 * Reads as much of a configuration as can be read, and collects what is wrong with the rest. Thrown:
 * {@link ConfigError} when it is not TOML.
 */
export function readConfig(
  toml: string,
  { file = 'config.toml', readFile = readTextFile, environment = process.env, allowIgnored = [] }: ConfigSource = {},
): ReadConfig {
  const found: Problem[] = []
  const told: Problem[] = []
  const settings = table(configTable).read(parseToml(toml, file), {
    path: '',
    problem: (path, message) => found.push({ path, message }),
    warning: (path, message) => told.push({ path, message }),
    readFile,
    environment,
    mayIgnore: (path) => allowIgnored.includes(nameOf(path)),
  })
  const read = (settings?.runners as readonly (ReadRunner | undefined)[] | undefined)?.map((runner) => runner ?? {})
  const unused = unusedTables(read ?? [])
  const problems = found.filter((problem) => !isInUnusedTable(problem, unused))
  const warnings = [...unused, ...told.filter((warning) => !isInUnusedTable(warning, unused))]
  const runners = read?.map((runner) => withStorageDirectory(withExecutorDefaults(settings ?? {}, runner), file))
  const stateKeyFile = settings?.stateKeyFile ?? defaultStateKeyFile(file)
  if (read && runners) {
    problems.push(
      ...executorProblems(settings ?? {}, read).filter(({ path }) => !found.some((each) => isWithin(path, each.path))),
      ...lonelyTlsFiles(runners),
      ...incompleteCaches(runners),
      ...sharedGroups(runners),
      ...trustProblems(runners),
      ...uselessPrewarmImages(runners),
      ...keyBesideState({ ...settings, stateKeyFile }, runners),
    )
    warnings.push(...policiesWithoutEffect(runners))
  }
  return {
    settings: { ...settings, stateKeyFile, ...(runners && { runners: runners.map(withTrust) }) },
    problems,
    warnings,
  }
}

/**
 * The settings, when nothing is wrong with them. Thrown: {@link ConfigError}, the problems in the order of the file.
 */
export function acceptConfig(
  toml: string,
  { settings, problems, warnings }: ReadConfig,
  { file = 'config.toml' }: ConfigSource = {},
): ParsedConfig {
  if (problems.length > 0) throw new ConfigError(file, placeProblems(toml, problems))
  return { settings: settings as Settings, warnings: placeProblems(toml, warnings) }
}

function parseToml(toml: string, file: string): Record<string, unknown> {
  try {
    return parse(toml)
  } catch (error) {
    if (!(error instanceof TomlError))
      throw new ConfigError(file, [{ path: '', message: `expected TOML, got ${String(error)}` }], { cause: error })
    const reason = (error.message.split('\n')[0] as string).replace(/^Invalid TOML document: /, '')
    const message = `expected TOML, got a syntax error in column ${error.column}: ${reason}`
    throw new ConfigError(file, [{ path: '', message, line: error.line }], { cause: error })
  }
}

/** Whether a path leads to a place or into it. */
function isWithin(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}.`)
}

function lonelyTlsFiles(runners: readonly ReadRunner[]): readonly Problem[] {
  const missing = (index: number, key: string, given: string): Problem => ({
    path: `runners[${index}].${key}`,
    message: `expected a path, because ${given} is set, got nothing`,
  })
  return runners.flatMap(({ tlsCertFile, tlsKeyFile }, index) => {
    if ((tlsCertFile === undefined) === (tlsKeyFile === undefined)) return []
    return tlsKeyFile === undefined
      ? missing(index, 'tls-key-file', 'tls-cert-file')
      : missing(index, 'tls-cert-file', 'tls-key-file')
  })
}

/** Adds line numbers, which cost a second reading, and sorts by them. */
export function placeProblems(toml: string, problems: readonly Problem[]): readonly Problem[] {
  if (problems.length === 0) return problems
  const lines = keyLines(toml)
  const placed = problems.map((problem): Problem => {
    const line = lineOf(problem.path, lines)
    return line === undefined ? problem : { ...problem, line }
  })
  return placed.sort((one, other) => (one.line ?? 0) - (other.line ?? 0))
}

function readTextFile(path: string): string {
  return readFileSync(path, 'utf8')
}
