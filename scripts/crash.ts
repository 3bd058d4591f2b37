// `npm run crash -- [--jobs N] [--kills N] [--seed S]`: kills the manager again and again under a load of jobs, and counts what was lost, run twice or left behind.
import { parseArgs } from 'node:util'
import { seededRandom } from '@runner-core/fleeting/testing'
import { runCrashLoad } from '../packages/runner/test/crash-load.ts'

const { values } = parseArgs({
  options: { jobs: { type: 'string', default: '300' }, kills: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
})
const [jobs, kills, seed] = [Number(values.jobs), Number(values.kills), Number(values.seed)]
const result = await runCrashLoad({
  jobs,
  kills,
  random: seededRandom(seed),
  onKill: (count, ended) => console.log(`killed ${count} of ${kills} times; ${ended} of ${jobs} jobs have ended`),
})
const { seconds, log, ...findings } = result
for (const [name, found] of Object.entries(findings)) console.log(name.padEnd(12), Array.isArray(found) ? found.length : found)
const details = [...result.lost, ...result.ranTwice, ...result.wrongTraces, ...result.violations]
for (const detail of details) console.log(detail)
if (details.length > 0) console.log(log)
console.log(`seconds      ${seconds}`)
const isRight = details.length === 0 && result.overMaximum === 0 && result.leaked === 0 && result.badEnd === ''
console.log(isRight ? 'nothing lost, nothing run twice, nothing left behind' : `seed ${seed} repeats the times of the kills`)
process.exitCode = isRight ? 0 : 1
