import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Concurrency } from '../jobs/concurrency.ts'
import { fleetBuckets } from './fleet-buckets.ts'
import { createMetrics } from './metrics.ts'

test('docs/reference/operating.md has every metric, with its type, labels and help', async () => {
  const { registry } = createMetrics({
    concurrent: new Concurrency(1),
    logLines: { debug: 0, info: 0, warn: 0, error: 0 },
    logLinesLost: () => 0,
    runners: () => [],
    fleets: () => [],
    buckets: fleetBuckets([]),
  })
  const page = readFileSync(new URL('../../../../docs/reference/operating.md', import.meta.url), 'utf8')
  const own = registry
    .getMetricsAsArray()
    .filter(({ name }) => /^(gitlab_runner|fleeting)_/.test(name)) as unknown as readonly {
    name: string
    type: string
    help: string
    labelNames: readonly string[]
  }[]
  const common = ['runner', 'runner_name', 'system_id']
  const rows = own.map(({ name, type, help, labelNames }) => {
    const labels = labelNames.filter((label) => !common.includes(label)).map((label) => `\`${label}\``)
    return `| \`${name}\` | ${type} | ${labels.join(', ') || '–'} | ${help} |`
  })
  expect(page.split('\n').filter((line) => /^\| `(gitlab_runner|fleeting)_/.test(line))).toEqual(rows)
})
