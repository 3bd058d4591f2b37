// Runs the conformance suite on the Acme plugin and prints what it found.
import { type PluginContext, silentLogger, systemClock } from '@runner-core/fleeting'
import { runConformance } from '@runner-core/fleeting/testing'
import { startAcmeCloud } from './acme-cloud.ts'
import { createInstanceGroup } from './acme-plugin.ts'

await using cloud = await startAcmeCloud()
const context: PluginContext = { fleet: 'example', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
const makeGroup = () => createInstanceGroup({ endpoint: cloud.endpoint, size: 3 }, context)

const report = await runConformance(makeGroup, { maxInstances: 3, pollMs: 20 })
for (const outcome of report.outcomes) {
  const why = outcome.outcome === 'failed' ? `: ${outcome.error.message}` : outcome.outcome === 'skipped' ? `: ${outcome.reason}` : ''
  console.log(`${outcome.outcome.padEnd(7)} ${outcome.name}${why}`)
}
console.log(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`)
process.exitCode = report.failed === 0 ? 0 : 1
