// `npm run crash`: kills the manager again and again under a load of jobs while other things fail, and counts what was
// lost, run twice or left behind.
import { parseArgs } from 'node:util'
import { seededRandom } from '@runner-core/fleeting/testing'
import { runCrashLoad } from '@runner-core/testkit/crash/crash-load'
import { machineKinds, machinesMissing } from '@runner-core/testkit/crash/machines'
import { diskTroubles, troubleKinds } from '@runner-core/testkit/crash/trouble'
import { smallDiskMissing } from '@runner-core/testkit/machine/small-disk'

const usage = `npm run crash -- [options]
  --jobs N          default 300
  --kills N         default 50
  --seed S          chooses the times of the kills and the trouble; default: a fresh one
  --machines KIND   ${machineKinds.join(', ')}; default local
  --troubles LIST   what goes wrong besides: none, or some of ${troubleKinds.join(', ')}; default: all
  --long-outage     the coordinator is gone for a minute, half-way`

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '300' },
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    machines: { type: 'string', default: 'local' },
    troubles: { type: 'string', default: troubleKinds.join(',') },
    'long-outage': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const machines = machineKinds.find((kind) => kind === values.machines)
const wanted = values.troubles.split(',').filter((name) => name !== 'none')
const unknown = wanted.filter((name) => !troubleKinds.some((kind) => kind === name))
if (machines === undefined || unknown.length > 0) {
  console.error(`unknown: ${[...(machines === undefined ? [values.machines] : []), ...unknown].join(', ')}\n${usage}`)
  process.exit(2)
}
const missing = await machinesMissing(machines)
if (missing !== undefined) {
  console.error(`no machines of kind ${machines} here: ${missing}`)
  process.exit(2)
}

/** Why some of what is wanted cannot be done here. */
const diskMissing = smallDiskMissing()
const excluded = new Map<string, string>()
if (diskMissing !== undefined) for (const kind of diskTroubles) excluded.set(kind, diskMissing)
if (machines === 'docker') excluded.set('machine-disk', "containers write to the daemon's disk")
const troubles = troubleKinds.filter((kind) => wanted.includes(kind) && !excluded.has(kind))
for (const kind of troubleKinds)
  if (wanted.includes(kind) && excluded.has(kind)) console.log(`not tried: ${kind}: ${excluded.get(kind)}`)

const [jobs, kills, seed] = [Number(values.jobs), Number(values.kills), Number(values.seed)]
console.log(`seed ${seed}`)
const result = await runCrashLoad({
  jobs,
  kills,
  machines,
  troubles,
  longOutage: values['long-outage'],
  random: seededRandom(seed),
  onKill: (count, ended, trouble) =>
    console.log(`killed ${count} of ${kills} times, trouble: ${trouble}; ${ended} of ${jobs} jobs have ended`),
})
const { seconds, log, troubled, ...findings } = result
for (const [name, found] of Object.entries(findings))
  console.log(name.padEnd(12), Array.isArray(found) ? found.length : found)
console.log('troubled    ', JSON.stringify(troubled))
const details = [
  ...result.lost,
  ...result.ranTwice,
  ...result.overlaps,
  ...result.wrongTraces,
  ...result.violations,
  ...result.badEnds,
]
for (const detail of details) console.log(detail)
if (details.length > 0) console.log(log)
console.log(`seconds      ${seconds}`)
const isRight = details.length === 0 && result.overMaximum === 0 && result.leaked === 0
console.log(
  isRight
    ? 'nothing lost, nothing run twice, nothing left behind'
    : `seed ${seed} repeats the times of the kills and the trouble`,
)
process.exitCode = isRight ? 0 : 1
