// The runner in a program of one's own; the argument is a config.toml.
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { loadConfig, Runner } from '@runner-core/runner'

const { settings, warnings } = await loadConfig(process.argv[2] ?? 'config.toml', loadPlugin)
for (const { path, message } of warnings) console.warn(`${path}: ${message}`)

const runner = await Runner.start({ settings })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void finish())
console.log('taking jobs; Ctrl-C lets running ones finish')

async function finish(): Promise<void> {
  const { remainingInstances } = await runner.stop('graceful')
  if (remainingInstances.length > 0) console.error(`still there: ${remainingInstances.join(', ')}`)
}
