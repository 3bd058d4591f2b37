import { sep } from 'node:path'
import { text } from 'node:stream/consumers'
import { describeError } from '@runner-core/fleeting'
import { type LoadedPlugin, loadPlugin, PluginError } from '@runner-core/fleeting/plugins'
import {
  type InstallProgress,
  installPlugin,
  listVersions,
  logIn,
  pluginDirectory,
  type RegistryOptions,
} from '@runner-core/fleeting-goplugin/install'
import { readPlugins } from '../config/load-config.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { RegistryRoutes } from './registry-routes.ts'
import { stopSignals } from './stop-signals.ts'

interface RegistryArguments {
  readonly plainHttp?: boolean
  readonly tlsCaFile?: string
}

export interface FleetingInstallArguments extends RegistryArguments {
  readonly config: string
  readonly upgrade?: true
}

export interface FleetingListArguments extends RegistryArguments {
  readonly config: string
}

export interface FleetingLoginArguments extends RegistryArguments {
  readonly username: string
  readonly password?: string
  readonly passwordStdin?: true
}

/**
 * `runner-core fleeting install`. A plugin that cannot be installed is an error; the others are installed all the same.
 * Thrown: `ConfigError`.
 */
export async function install(
  plugins: readonly string[],
  args: FleetingInstallArguments,
  output: Output,
): Promise<number> {
  if (plugins.length > 0) {
    return await withRegistry(
      args,
      async (registry) => await each(plugins, output, (plugin) => installNamed(plugin, registry, output)),
    )
  }
  const configured = readPlugins(args.config)
  if (configured.size === 0) output.err(`warning: ${args.config} names no plugins`)
  return await withRegistry(
    args,
    async (registry) =>
      await each([...configured.keys()], output, async (plugin) => {
        const there = await find(plugin)
        if (there === undefined || (args.upgrade && isInstalled(there))) await installNamed(plugin, registry, output)
        else output.out(`runner: ${configured.get(plugin)}, plugin: ${plugin}, path: ${there.file}`)
      }),
  )
}

/** `runner-core fleeting list`. Thrown: `ConfigError`. */
export async function list(plugins: readonly string[], args: FleetingListArguments, output: Output): Promise<number> {
  if (plugins.length > 0) {
    return await withRegistry(
      args,
      async (registry) =>
        await each(plugins, output, async (plugin) => {
          for (const version of await listVersions(plugin, registry))
            output.out(plugins.length > 1 ? `${plugin} ${version}` : version)
        }),
    )
  }
  return await each([...readPlugins(args.config)], output, async ([plugin, runner]) => {
    output.out(`runner: ${runner}, plugin: ${plugin}, path: ${(await loadPlugin(plugin)).file}`)
  })
}

/** `runner-core fleeting login`. */
export async function login(
  registry: string | undefined,
  args: FleetingLoginArguments,
  output: Output,
): Promise<number> {
  const { username, passwordStdin } = args
  const password = passwordStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : args.password
  if (!password) {
    output.err('error: expected --password-stdin with a password, or --password')
    return exitCode.badInput
  }
  return await withRegistry(args, async (options) => {
    output.out(`logged in via ${await logIn(registry, { username, password }, options)}`)
    return exitCode.ok
  })
}

async function installNamed(plugin: string, registry: RegistryOptions, output: Output): Promise<void> {
  const [, packageName] = /^(?:npm:)?(@[^/]+\/[^/:]+)$/.exec(plugin) ?? []
  if (packageName !== undefined) throw new Error(`packages are installed with npm; try: npm install ${packageName}`)
  const { version, file, isNew } = await installPlugin(plugin, {
    ...registry,
    onProgress: progressLines(plugin, output),
  })
  output.out(`plugin: ${plugin}, version: ${version}${isNew ? '' : ' (already installed)'}, path: ${file}`)
  const meant = (await find(plugin))?.file
  if (meant === file) return
  const exact = `${plugin.replace(/(@sha256:.*|:[^/]*)$/, '')}:${version}`
  output.err(
    `warning: plugin = "${plugin}" means ${meant ?? 'no installed plugin'}; to use what was just installed, write "${exact}"`,
  )
}

/** A line when it begins, and for each quarter of what is long. */
function progressLines(plugin: string, output: Output): (progress: InstallProgress) => void {
  const longBytes = 4_000_000
  let told = -1
  return ({ version, platform: { os, architecture, variant }, received, size }) => {
    const quarter = size < longBytes ? 0 : Math.floor((received / size) * 4)
    if (quarter === told) return
    told = quarter
    const system = [os, architecture, variant].filter((part) => part !== undefined).join('/')
    output.err(
      received === 0
        ? `${plugin}: fetching ${version} for ${system}, ${megabytes(size)}`
        : `${plugin}: ${megabytes(received)} of ${megabytes(size)}`,
    )
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

async function each<T extends string | readonly [string, string]>(
  all: readonly T[],
  output: Output,
  act: (one: T) => Promise<void>,
): Promise<number> {
  let code: number = exitCode.ok
  for (const one of all) {
    try {
      await act(one)
    } catch (error) {
      output.err(`error: plugin ${typeof one === 'string' ? one : one[0]}: ${describeError(error)}`)
      code = exitCode.failed
    }
  }
  return code
}

async function find(plugin: string): Promise<LoadedPlugin | undefined> {
  try {
    return await loadPlugin(plugin)
  } catch (error) {
    if (error instanceof PluginError && error.code === 'plugin_not_found') return undefined
    throw error
  }
}

/** Not a package, nor a program that was put somewhere by hand. */
function isInstalled({ kind, file }: LoadedPlugin): boolean {
  return kind === 'executable' && file.startsWith(`${pluginDirectory(process.env)}${sep}`)
}

async function withRegistry(
  { plainHttp = false, tlsCaFile }: RegistryArguments,
  act: (registry: RegistryOptions) => Promise<number>,
): Promise<number> {
  const routes = new RegistryRoutes({ environment: process.env, ...(tlsCaFile !== undefined && { tlsCaFile }) })
  const stopped = new AbortController()
  const stop = (signal: NodeJS.Signals): void => stopped.abort(new Error(`stopped by ${signal}`))
  for (const signal of stopSignals) process.once(signal, stop)
  try {
    return await act({ exchange: routes.exchange, plainHttp, signal: stopped.signal })
  } finally {
    for (const signal of stopSignals) process.off(signal, stop)
    await routes.close()
  }
}
