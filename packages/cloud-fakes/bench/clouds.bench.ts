// Cloud API calls per job and per burst, on each cloud's fake: `npm run bench -- clouds [aws] [gce] [azure]`.
// HTTP, SDKs, plugins, provisioner and taskscaler are real, the clock is simulated: an hour takes about a minute.
import { type CloudName, cloudNames } from '@runner-core/testkit/clouds/cloud-under-bench'
import { type HourFigures, simulateHour } from './simulated-hour.ts'

const asked = process.argv.slice(2)
const names = asked.length === 0 ? cloudNames : cloudNames.filter((name) => asked.includes(name))

const results = new Map<CloudName, HourFigures>()
for (const name of names) results.set(name, await simulateHour(name))

const columns: readonly [title: string, value: (figures: HourFigures) => string][] = [
  ['burst calls', ({ burstCalls }) => String(burstCalls)],
  ['boot calls', ({ bootCalls }) => String(bootCalls)],
  ['jobs', ({ jobs }) => String(jobs)],
  ['calls', ({ calls }) => String(calls)],
  ['refused', ({ refused }) => String(refused)],
  ['calls/job', ({ callsPerJob }) => callsPerJob.toFixed(3)],
  ['decision p99', ({ p99DecisionMs }) => `${p99DecisionMs.toFixed(2)} ms`],
  ['longest wait', ({ longestWaitMs }) => `${(longestWaitMs / 1000).toFixed(1)} s`],
]
console.log('1,000 instances in one burst, then 10,000 jobs in one simulated hour')
console.log(['cloud'.padEnd(8), ...columns.map(([title]) => title.padStart(13))].join(''))
for (const [name, figures] of results)
  console.log([name.padEnd(8), ...columns.map(([, value]) => value(figures).padStart(13))].join(''))

const rounded = [...results].map(([name, { callsPerJob, p99DecisionMs, burstCalls }]) => [
  name,
  { callsPerJob: Number(callsPerJob.toFixed(4)), p99DecisionMs: Number(p99DecisionMs.toFixed(3)), burstCalls },
])
console.log(`BENCH ${JSON.stringify(Object.fromEntries(rounded))}`)
