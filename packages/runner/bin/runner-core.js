#!/usr/bin/env node
// Starts the command line interface: in a checkout from the sources, without a build; in an installed package from what they compile to.
// Plain JavaScript for Node 20 and later, committed, and nothing but `node:` imports.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const isCheckout = !here.split(sep).includes('node_modules') && existsSync(join(here, '../src/cli/main.ts'))
const runsTypeScript = process.features.typescript && nodeModule.registerHooks

if (!isCheckout) await start('../dist/cli/main.js')
else if (runsTypeScript) {
  const condition = '@runner-core/source'
  nodeModule.registerHooks({
    resolve: (specifier, context, next) => next(specifier, { ...context, conditions: [...context.conditions, condition] }),
  })
  endWithParent()
  await start('../src/cli/main.ts')
} else startAgain()

async function start(entry) {
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
  // In a process group of its own, so that Ctrl-C reaches it once, through the handlers below. The channel tells it when this process is killed.
  const child = spawn(node, process.argv.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: { ...process.env, RUNNER_CORE_PARENT: String(process.pid) },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal) process.removeAllListeners(signal)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}

/** Started by the above: ends, in order, when that process is no more. */
function endWithParent() {
  if (!process.env.RUNNER_CORE_PARENT || !process.channel) return
  delete process.env.RUNNER_CORE_PARENT
  process.channel.unref()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
