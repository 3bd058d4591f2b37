import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'
import { directoryOf, directoryOfDigest, escapeCapitals, parseReference, unescapeCapitals } from './plugin-reference.ts'
import { bestVersion } from './plugin-version.ts'

export interface FindGoPluginOptions {
  /** Where relative paths start. Default: the working directory. */
  readonly baseDirectory?: string
  /** `PATH`, `FLEETING_PLUGIN_PATH`, `APPDATA`. Default: this process's own. */
  readonly environment?: NodeJS.ProcessEnv
}

const isWindows = process.platform === 'win32'

/**
 * The executable that a plugin's name means, as upstream takes it: a path; a program on `PATH` that has `fleeting` in
 * its name (`fleeting-plugin-hetzner`); an installed plugin, of the best version that is there (`aws`, `aws:1.5`,
 * `example/plugin:1`, `registry.example.com/group/plugin:1.0.2`), or exactly the one of a digest (`aws@sha256:…`). And,
 * which upstream does not take, a short name of a program on `PATH` (`hetzner`). Any other program of `PATH`, which
 * upstream would run, needs its path: a slip of the finger shall not start what happens to be called so. Undefined when
 * there is none.
 */
export function findGoPlugin(reference: string, options: FindGoPluginOptions = {}): string | undefined {
  const { baseDirectory = '.', environment = process.env } = options
  if (/^\.{1,2}[\\/]/.test(reference) || isAbsolute(reference)) return executable(resolve(baseDirectory, reference))
  if (!/^[\w.-]+$/.test(reference)) return findInstalled(reference, environment)
  const name = reference.includes('fleeting') ? reference : `fleeting-plugin-${reference}`
  return findOnPath(name, environment) ?? findInstalled(reference, environment)
}

/** Where plugins are installed: `FLEETING_PLUGIN_PATH`, otherwise a directory of this user. */
export function pluginDirectory(environment: NodeJS.ProcessEnv): string {
  const { FLEETING_PLUGIN_PATH: configured, APPDATA: appData } = environment
  if (configured) return configured
  return isWindows && appData ? join(appData, 'fleeting', 'plugins') : join(homedir(), '.config', 'fleeting', 'plugins')
}

function findInstalled(reference: string, environment: NodeJS.ProcessEnv): string | undefined {
  const parsed = parseReference(reference)
  if (parsed === undefined) return undefined
  const root = pluginDirectory(environment)
  if (parsed.digest !== undefined)
    return programIn(directoryOfDigest(parsed, parsed.digest, root), basename(parsed.repository))
  const directory = directoryOf(parsed, root)
  const version = bestVersion(namesIn(directory).map(unescapeCapitals), parsed.wanted)
  return version === undefined
    ? undefined
    : programIn(join(directory, escapeCapitals(version)), basename(parsed.repository))
}

/** The program in the directory of a plugin, which may hold files beside it. `name` is the plugin's. */
export function programIn(directory: string, name: string): string | undefined {
  const suffix = isWindows ? '.exe' : ''
  const usual = [`fleeting-plugin-${name}${suffix}`, `plugin${suffix}`, `${name}${suffix}`]
  const found = usual.map((file) => executable(join(directory, file))).find((file) => file !== undefined)
  if (found !== undefined) return found
  const programs = namesIn(directory).flatMap((file) => executable(join(directory, file)) ?? [])
  return programs.length === 1 ? programs[0] : undefined
}

function findOnPath(name: string, { PATH: path = '' }: NodeJS.ProcessEnv): string | undefined {
  const names = isWindows && !name.toLowerCase().endsWith('.exe') ? [`${name}.exe`] : [name]
  for (const directory of path.split(delimiter)) {
    // A relative entry would run what lies in the working directory.
    if (!isAbsolute(directory)) continue
    const found = names.map((file) => executable(join(directory, file))).find((file) => file !== undefined)
    if (found !== undefined) return found
  }
  return undefined
}

function executable(file: string): string | undefined {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile() ? file : undefined
  } catch {
    return undefined
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
