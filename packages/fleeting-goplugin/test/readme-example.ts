// A Go plugin as an instance group: starts it, launches an instance, shows it, removes it. The argument is a path, or a
// name on PATH.
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { createGoPluginGroup, findGoPlugin } from '@runner-core/fleeting-goplugin'

const file = findGoPlugin(process.argv[2] ?? 'fleeting-plugin-dummy')
if (file === undefined) throw new Error('no such plugin')

const context = {
  fleet: 'example',
  connector: { username: 'ci' },
  logger: silentLogger,
  clock: systemClock,
  random: Math.random,
}
const group = createGoPluginGroup(file)({ MaxSize: 3 }, context)
const { signal } = new AbortController()

console.log(await group.init(signal))
await group.increase({ count: 1, launchToken: 'example' }, signal)
const rows = await group.list(signal)
console.log(rows)
await group.decrease(
  rows.map(({ id }) => id),
  signal,
)
await group.shutdown()
