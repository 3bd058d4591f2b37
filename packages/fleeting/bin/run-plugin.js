// What the executables of all plugins are made of: finds the plugin's package, its entry and a Node that can run it. In
// a project's own folder from the sources, without a build; in an installed package from what they compile to. Plain
// JavaScript that older Nodes can read, committed.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { requireNode } from './node-floor.js'

/** The package with the server for GitLab Runner: an optional peer of each plugin. */
const serverPackage = '@runner-core/fleeting-goplugin'

const isInstalled = (folder) => folder.split(sep).includes('node_modules')
const ownFolder = dirname(dirname(fileURLToPath(import.meta.url)))

export async function runPlugin(bin, importServer) {
  const file = fileURLToPath(bin)
  const name = basename(file, '.js')
  const folder = dirname(dirname(file))
  const source = join(folder, 'src/index.ts')
  const compiled = join(folder, 'dist/index.js')
  const hasSource = !isInstalled(folder) && existsSync(source)
  if (hasSource && !runsTypeScript() && !(isInstalled(ownFolder) && existsSync(compiled))) return startAgain()
  requireNode(name)
  if (!isInstalled(ownFolder)) useSources()
  const entry = hasSource && runsTypeScript() ? source : compiled
  const { goPluginCommand } = await importServer().catch((error) => endWithout(name, error))
  const { createInstanceGroup } = await import(pathToFileURL(entry).href)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  await goPluginCommand(createInstanceGroup, { name, version }, process.argv.slice(2))
}

/** Ends the process with one line when the server is not installed. A package that it lacks itself is another error. */
function endWithout(name, error) {
  const isAbsent =
    error.code === 'ERR_MODULE_NOT_FOUND' && error.message.startsWith(`Cannot find package '${serverPackage}'`)
  if (!isAbsent) throw error
  console.error(
    `${name}: serving a plugin to GitLab Runner needs ${serverPackage}, which is not installed; try: npm install ${serverPackage}`,
  )
  process.exit(2)
}

function runsTypeScript() {
  return Boolean(process.features.typescript && nodeModule.registerHooks)
}

/** In this project's own checkout packages are found by their sources. */
function useSources() {
  const condition = '@runner-core/source'
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, condition] }),
  })
  // Spares every start but the first the stripping of types, and 20 MB. Where it cannot be written, Node goes on
  // without.
  nodeModule.enableCompileCache(join(ownFolder, '../../node_modules/.cache/compile'))
}

/**
 * This Node is too old for the sources: hands over to the one that `npm run setup` put into the checkout. It ends with
 * this process, by itself.
 */
function startAgain() {
  const node = join(ownFolder, '../../node_modules/.bin/node')
  if (process.env.FLEETING_STARTED_AGAIN || !existsSync(node)) {
    console.error(
      `expected Node 22.18 or later to run the plugin from its sources, got ${process.version}; compile it, or run \`npm run setup\` in a checkout first`,
    )
    process.exit(2)
  }
  const env = { ...process.env, FLEETING_STARTED_AGAIN: 'yes' }
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', env })
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
