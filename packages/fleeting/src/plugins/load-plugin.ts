import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { CreateInstanceGroup } from '../contract/instance-group.ts'
import { otherName, suggestPlugin } from './plugin-suggestion.ts'

/**
 * - `plugin_not_found`: nothing of that name is installed, or no such file exists; the message says what to install.
 * - `plugin_failed`: it exists, but its module could not be loaded; see `cause`.
 * - `plugin_invalid`: it was loaded, but does not export a function `createInstanceGroup`.
 */
export type PluginErrorCode = 'plugin_not_found' | 'plugin_failed' | 'plugin_invalid'

/** Thrown when a plugin cannot be used. */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly code: PluginErrorCode
  /** As it was asked for. */
  readonly reference: string

  constructor(code: PluginErrorCode, reference: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(
      `plugin ${JSON.stringify(reference)}: ${message}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.reference = reference
  }
}

export interface LoadPluginOptions {
  /**
   * Where paths start and packages are looked for first, with the directories above it; then where this package is
   * installed. Default: the working directory.
   */
  readonly baseDirectory?: string
}

export interface LoadedPlugin {
  readonly createInstanceGroup: CreateInstanceGroup
  /** The file that was loaded, or that will be run. */
  readonly file: string
  /** `module`: runs in this process · `executable`: speaks upstream's protocol in a process of its own. */
  readonly kind: 'module' | 'executable'
  /** An executable that the same name means, and that was not taken. */
  readonly passedOver?: string
}

/**
 * Finds an instance group plugin. `reference` is a short name (`local`: the package
 * `@runner-core/fleeting-plugin-local`, otherwise `fleeting-plugin-local`; `multi`: this package's own; `googlecloud`,
 * where nothing else is called so: `gce`), the name of a
 * package or of one of its exports (`@acme/clouds/fake`), or the path of a file or of a package's directory (it starts
 * with `./`, `../` or `/`). Where no package is of that name, or the path is a program's, it is an executable of
 * upstream's kind: on `PATH`, or installed (`fleeting-plugin-hetzner`, `hetzner:1.2`,
 * `registry.example.com/group/plugin:1`, `hetzner@sha256:…`). A module is imported now, an executable started by
 * `init`. Thrown: {@link PluginError}.
 */
export async function loadPlugin(reference: string, options: LoadPluginOptions = {}): Promise<LoadedPlugin> {
  const executable = await executableOf(reference, options)
  const ofSameCloud = otherName(reference)
  try {
    const isProgram = executable !== undefined && isPath(reference)
    if (!isProgram)
      return { ...(await loadModule(reference, options)), ...(executable !== undefined && { passedOver: executable }) }
  } catch (error) {
    if (!(error instanceof PluginError) || error.code !== 'plugin_not_found') throw error
    if (executable === undefined) {
      if (ofSameCloud === undefined) throw error
      return loadModule(ofSameCloud, options)
    }
  }
  const { exported: create } = await loadExport<(file: string) => CreateInstanceGroup>(
    'createGoPluginGroup',
    executableHost,
    options,
  )
  return { createInstanceGroup: create(executable), file: executable, kind: 'executable' }
}

async function loadModule(reference: string, options: LoadPluginOptions): Promise<LoadedPlugin> {
  const { exported, file } = await loadExport<CreateInstanceGroup>('createInstanceGroup', reference, options)
  return { createInstanceGroup: exported, file, kind: 'module' }
}

/** The package that runs executables. Whoever uses none need not have it. */
const executableHost = '@runner-core/fleeting-goplugin'

/**
 * The executable that a reference means, by upstream's rules; undefined when there is none, or nothing that could run
 * it. A path that ends as modules do is one, even when it may be run.
 */
async function executableOf(reference: string, options: LoadPluginOptions): Promise<string | undefined> {
  if (isPath(reference) && isModuleName(reference)) return undefined
  type FindGoPlugin = (reference: string, options: LoadPluginOptions) => string | undefined
  try {
    return (await loadExport<FindGoPlugin>('findGoPlugin', executableHost, options)).exported(reference, options)
  } catch (error) {
    if (error instanceof PluginError && error.code === 'plugin_not_found') return undefined
    throw error
  }
}

/** Imports one function of a module that is found as plugins are. Thrown: {@link PluginError}. */
export async function loadExport<T>(
  name: string,
  reference: string,
  options: LoadPluginOptions,
): Promise<{ readonly exported: T; readonly file: string }> {
  const baseDirectory = resolve(options.baseDirectory ?? '.')
  const file =
    reference === 'multi'
      ? ownMulti
      : isPath(reference)
        ? findFile(reference, baseDirectory)
        : findPackage(reference, baseDirectory)
  const exported = (await importModule(reference, file))[name]
  if (typeof exported !== 'function')
    throw new PluginError('plugin_invalid', reference, `${file} does not export a function ${name}`)
  return { exported: exported as T, file }
}

/** Groups of groups belong to the contract, not to a cloud: their plugin is part of this package. */
const ownMulti = fileURLToPath(new URL(`../multi/index${extname(import.meta.url)}`, import.meta.url))

async function importModule(reference: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    throw new PluginError('plugin_failed', reference, `${file} cannot be loaded: ${whyNot(error as Error, file)}`, {
      cause: error,
    })
  }
}

function whyNot({ message, code }: Error & { readonly code?: string }, file: string): string {
  const isUnreadable = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?tsx?$/.test(file)
  return isUnreadable
    ? `Node ${process.version} cannot run it directly; compile it to JavaScript (Node 22.18 and newer run .ts)`
    : message
}

function isPath(reference: string): boolean {
  return /^\.{1,2}[\\/]/.test(reference) || isAbsolute(reference)
}

function findFile(reference: string, baseDirectory: string): string {
  const file = resolve(baseDirectory, reference)
  if (!existsSync(file)) {
    const meant = suggestPlugin(reference)
    throw new PluginError(
      'plugin_not_found',
      reference,
      `no such file: ${file}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    )
  }
  if (statSync(file).isDirectory()) return entryOf(file, reference)
  if (isModuleName(file)) return file
  // Imported, a program would be a syntax error.
  const problem = mayBeRun(file)
    ? `is a program, which ${executableHost} runs; try: npm install ${executableHost}`
    : "is not executable, and its name does not end like a module's (.js, .mjs, .ts)"
  throw new PluginError('plugin_failed', reference, `${file} ${problem}`)
}

function isModuleName(file: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(file)
}

function mayBeRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function findPackage(reference: string, baseDirectory: string): string {
  const meant = suggestPlugin(reference)
  if (isOfRegistry(reference)) {
    // With a version it is no package's name, and may be right as it is.
    const or = meant === undefined ? '' : `; or did you mean ${meant}?`
    throw new PluginError(
      'plugin_not_found',
      reference,
      `it is not installed; try: runner-core fleeting install ${reference}${or}`,
    )
  }
  const [, name = reference, subpath] = /^(@[^/]+\/[^/]+|[^@/][^/]*)\/(.+)$/.exec(reference) ?? []
  const entry = subpath === undefined ? '.' : `./${subpath}`
  const names = candidateNames(name)
  if (names.length === 0) {
    throw new PluginError(
      'plugin_not_found',
      reference,
      'expected a short name such as local, the name of a package, a path that starts with ./ or /, or a plugin made for GitLab Runner that is installed (name:version, by: runner-core fleeting install name:version)',
    )
  }
  const ownDirectory = dirname(fileURLToPath(import.meta.url))
  for (const candidate of names) {
    const directory = packageDirectory(candidate, baseDirectory) ?? packageDirectory(candidate, ownDirectory)
    if (directory !== undefined) return entryOf(directory, reference, entry)
  }
  // Instead of the hint what to install: a package that is called like a slip of the finger must not be installed.
  const hint =
    meant === undefined
      ? `try: npm install ${names[0]}, or put an executable made for GitLab Runner on PATH`
      : `did you mean ${meant}?`
  throw new PluginError('plugin_not_found', reference, `it is not installed; ${hint}`)
}

/** `hetzner:1.2`, `registry.example.com/group/plugin:1`, `hetzner@sha256:…`: no package is called so. */
function isOfRegistry(reference: string): boolean {
  return /^[\w.-]+(?::\d+)?(?:\/[\w.-]+)*(?::[\w.+-]+|@sha256:[\da-f]{64})$/.test(reference)
}

/** The packages that a name may mean, the likeliest first; none when it cannot be a package's name. */
export function candidateNames(reference: string): string[] {
  if (/^@[\w.-]+\/[\w.-]+$/.test(reference)) return [reference]
  if (!/^[\w-][\w.-]*$/.test(reference)) return []
  if (reference.startsWith('fleeting-plugin-')) return [`@runner-core/${reference}`, reference]
  return [`@runner-core/fleeting-plugin-${reference}`, `fleeting-plugin-${reference}`, reference]
}

function packageDirectory(name: string, from: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const found = join(directory, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (dirname(directory) === directory) return undefined
  }
}

interface Manifest {
  readonly exports?: unknown
  readonly main?: string
}

/**
 * The file that `import` of the package would load. Not left to Node, which resolves from the importing module only,
 * and not by what was configured.
 */
function entryOf(directory: string, reference: string, subpath = '.'): string {
  let manifest: Manifest
  try {
    manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
  } catch (error) {
    throw new PluginError('plugin_failed', reference, `${join(directory, 'package.json')} cannot be read`, {
      cause: error,
    })
  }
  const { exports, main } = manifest
  const entry = exportOf(exports ?? main ?? 'index.js', subpath)
  if (entry === undefined)
    throw new PluginError('plugin_failed', reference, `${directory} has no export ${subpath} that can be imported`)
  return join(directory, entry)
}

/** Run from its sources, this package takes plugins of the same kind from theirs. */
const conditions = [
  ...(import.meta.url.endsWith('.ts') ? ['@runner-core/source'] : []),
  'node',
  'import',
  'module-sync',
  'default',
]

/**
 * What `exports` of a package.json says of the package itself, or of a `./subpath` of it, by Node's rules, patterns
 * excepted.
 */
export function exportOf(exports: unknown, subpath = '.'): string | undefined {
  const table = Object(exports) as Readonly<Record<string, unknown>>
  if (Object.keys(table).some((key) => key.startsWith('.'))) return target(table[subpath])
  return subpath === '.' ? target(exports) : undefined
}

function target(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (Array.isArray(exports)) return exports.map(target).find((entry) => entry !== undefined)
  if (typeof exports !== 'object' || exports === null) return undefined
  for (const [key, value] of Object.entries(exports)) {
    const entry = conditions.includes(key) ? target(value) : undefined
    if (entry !== undefined) return entry
  }
  return undefined
}
