#!/usr/bin/env -S node --conditions=@runner-core/source
// A plugin that prints past its logger, fails outside of any call when it is told to, and lists many machines. Started
// by served.integration.test.ts.
import { systemClock } from '@runner-core/fleeting'
import { MemoryGroup } from '@runner-core/fleeting/testing'
import { goPluginCommand } from '../src/serve/index.ts'

await goPluginCommand(
  (config, { logger }) => {
    const { machines = 0, breaks = false } = config as { readonly machines?: number; readonly breaks?: boolean }
    const group = new MemoryGroup({ clock: systemClock, maxSize: 100_000 })
    group.resize(machines)
    console.log('printed to standard output')
    console.error('printed to standard error')
    logger.warn({ number: 7 }, 'logged')
    if (breaks) setTimeout(() => void Promise.reject(new Error('nobody catches this')), 100)
    return group
  },
  { name: 'fleeting-plugin-printing', version: '1.0.0' },
  process.argv.slice(2),
)
