// Runs alone in a process of its own: imports what it is told, and prints what that took.
// `node --expose-gc footprint-probe.mjs JSON`
import { registerHooks } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'

const { modules = [], plugin, pluginConfig, trace = false } = JSON.parse(process.argv[2] ?? '{}')

const loaded = []
if (trace)
  registerHooks({
    load(url, context, next) {
      loaded.push(url)
      return next(url, context)
    },
  })

const startedAt = performance.now()
for (const name of modules) await import(name)
const group = plugin === undefined ? undefined : await initialised()
const tookMs = performance.now() - startedAt
if (group !== undefined) await reachOne(group)

globalThis.gc()
await pause(100)
globalThis.gc()
const rssBytes = process.memoryUsage.rss()
await group?.shutdown()
console.log(JSON.stringify({ tookMs, rssBytes, loaded }))

/** A plugin loads its SDK when it first calls its cloud. */
async function initialised() {
  const ignore = () => {}
  const { systemClock, systemRandom } = await import('@runner-core/fleeting')
  const { createInstanceGroup } = await import(plugin)
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const made = createInstanceGroup(pluginConfig, {
    fleet: 'bench',
    connector: {},
    logger,
    clock: systemClock,
    random: systemRandom,
  })
  const signal = AbortSignal.timeout(30_000)
  await made.init(signal)
  await made.list(signal)
  return made
}

/** Clouds have other SDKs for single machines, which are loaded when the first one is connected to. */
async function reachOne(group) {
  const signal = AbortSignal.timeout(30_000)
  await group.increase({ count: 1, launchToken: 'probe' }, signal)
  const [{ id }] = await group.list(signal)
  await group.connectInfo(id, signal)
}
