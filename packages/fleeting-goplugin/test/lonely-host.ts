// A host process for a test to kill: starts the plugin that it is given, says so, and waits.
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { createGoPluginGroup } from '../src/index.ts'

const context = { fleet: 'lonely', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
await createGoPluginGroup(process.argv[2] as string)({}, context).init(new AbortController().signal)
console.log('started')
setInterval(() => {}, 1000)
