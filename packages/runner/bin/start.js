// Starts the command line interface: in a checkout from the sources, without a build; in an installed package from what
// they compile to. Plain JavaScript that older Nodes can read, committed. Its flags: a small young generation, since
// otherwise a job that prints much leaves up to 90 MB of dead buffers in it before they are collected; `gc`, with which
// they are collected while files pass through (docs/decisions/artifacts.md); and a heap that may double before all of
// it is collected: by its own measure Node would do so for each few megabytes of buffers, in vain. And one arena of
// glibc's: each that zlib's threads have keeps memory that the others cannot use.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requireNode } from '@runner-core/fleeting/node-floor'

// By default Node opens a debugger on SIGUSR1, and any local user can connect to it.
process.on('SIGUSR1', () => {})

const here = dirname(fileURLToPath(import.meta.url))
const isCheckout = !here.split(sep).includes('node_modules') && existsSync(join(here, '../src/cli/main.ts'))
const runsTypeScript = process.features.typescript && nodeModule.registerHooks

if (!isCheckout) {
  requireNode('runner-core')
  endWithParent()
  await start('../dist/cli/main.js')
} else if (runsTypeScript) {
  const condition = '@runner-core/source'
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, condition] }),
  })
  // Spares every start but the first the stripping of types, and 20 MB. Where it cannot be written, Node goes on
  // without.
  nodeModule.enableCompileCache(join(here, '../../../node_modules/.cache/compile'))
  endWithParent()
  await start('../src/cli/main.ts')
} else startAgain()

async function start(entry) {
  // It was for this process: what this one starts, jobs among it, is to be as anywhere.
  delete process.env.MALLOC_ARENA_MAX
  const { main } = await import(entry)
  process.exitCode = await main(process.argv.slice(2))
}

/** This Node is too old for the sources: hands over to the one that `npm run setup` put into the checkout. */
function startAgain() {
  const node = join(here, '../../../node_modules/.bin/node')
  if (process.env.RUNNER_CORE_PARENT || !existsSync(node)) {
    console.error(
      `runner-core: expected Node 24 to run from the sources, got ${process.version}; run \`npm run setup\` in the checkout first`,
    )
    process.exit(1)
  }
  // In a process group of its own, so that Ctrl-C reaches it once, through the handlers below.
  endWithParent()
  const env = { ...process.env, RUNNER_CORE_PARENT: 'yes' }
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', detached: true, env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal) process.removeAllListeners(signal)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}

/**
 * Under npx, and under the above, the one who signals reaches a process further up (npm, its shell, the old Node),
 * which may end without passing the signal on. Then this process must not live on.
 */
function endWithParent() {
  if (!process.env.npm_command && !process.env.RUNNER_CORE_PARENT) return
  const ancestors = () => `${process.ppid} ${parentOf(process.ppid)}`
  const before = ancestors()
  const timer = setInterval(() => {
    if (ancestors() === before) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGHUP')
  }, 200)
  timer.unref()
}

/** Known on Linux only; elsewhere npm's shell does not stay between npm and this process. */
function parentOf(pid) {
  try {
    return /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
