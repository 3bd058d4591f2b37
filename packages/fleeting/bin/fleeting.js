#!/usr/bin/env node
// Starts the command line interface: in a checkout from the sources, without a build; in an installed
// package from what they compile to. Plain JavaScript that older Nodes can read, committed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requireNode } from './node-floor.js'

/** How long what the plugin has opened may take to end by itself. */
const patienceMs = 3000

const here = dirname(fileURLToPath(import.meta.url))
const isCheckout = !here.split(sep).includes('node_modules') && existsSync(join(here, '../src/cli/main.ts'))

if (!isCheckout) {
  requireNode('fleeting')
  await start('../dist/cli/main.js')
} else if (process.features.typescript && nodeModule.registerHooks) {
  const condition = '@runner-core/source'
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, condition] }),
  })
  await start('../src/cli/main.ts')
} else startAgain()

async function start(entry) {
  const { main } = await import(entry)
  process.exitCode = await main(process.argv.slice(2))
  // Whoever waits for this command must not wait for ever because a plugin has left a timer or a socket behind.
  const leave = () => {
    console.error(
      `still open after shutdown, by the plugin most likely: ${[...new Set(process.getActiveResourcesInfo())].join(', ')}`,
    )
    process.exit()
  }
  setTimeout(leave, patienceMs).unref()
}

/** This Node is too old for the sources: hands over to the one that `npm run setup` put into the checkout. */
function startAgain() {
  const node = join(here, '../../../node_modules/.bin/node')
  if (process.env.FLEETING_STARTED_AGAIN || !existsSync(node)) {
    console.error(
      `fleeting: expected Node 24 to run from the sources, got ${process.version}; run \`npm run setup\` in the checkout first`,
    )
    process.exit(2)
  }
  const env = { ...process.env, FLEETING_STARTED_AGAIN: 'yes' }
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit', env })
  // Ctrl-C reaches the child by itself, and it has to clean up.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
