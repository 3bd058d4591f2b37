// One manager of the restart bench: `fill` leaves a state with so many instances and jobs, `restart` takes it over and
// prints how long that took since the process began.
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { MemoryGroup, simpleShell } from '@runner-core/fleeting/testing'
import type { JobPayload } from '@runner-core/job'
import { Taskscaler } from '@runner-core/taskscaler'
import { parseConfig } from '../src/config/parse-config.ts'
import { openFleetState } from '../src/state/open-fleet-state.ts'

const [directory = '', phase, counted] = process.argv.slice(2)
const count = Number(counted)
const { settings } = parseConfig(`state_dir = "${join(directory, 'state')}"
state_key_file = "${join(directory, 'key')}"
[[runners]]
name = "restart"
url = "http://127.0.0.1"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"`)
const never = new AbortController().signal
const clock = systemClock
const state = (await openFleetState({
  settings,
  runner: settings.runners[0]!,
  onWait: () => {},
  clock,
  signal: never,
}))!
const group = new MemoryGroup({ clock, shell: simpleShell, maxSize: count, callDelayMs: 400 })
for (let made = 0; made < count; made++) group.addForeign()
const provisioner = await Provisioner.start({ group, clock, lease: state.lease }, never)
const scaler = await Taskscaler.start({ provisioner, onDispose: 'keep-instances', clock })

if (phase === 'fill') {
  while (scaler.status().tasks.idle < count) await new Promise((resolve) => setTimeout(resolve, 20))
  // About as large as a real one: GitLab sends some sixty variables.
  const variables = Array.from({ length: 60 }, (_, index) => ({
    key: `CI_VARIABLE_${index}`,
    value: 'x'.repeat(80),
    public: true,
  }))
  await Promise.all(
    Array.from({ length: count }, async (_, id) => {
      const acquisition = await scaler.acquire(scaler.reserve())
      await state.jobs.took({
        payload: { id, token: `job-token-${id}`, variables } as unknown as JobPayload,
        acquisitionKey: acquisition.key,
        takenAt: 0,
      })
      state.jobs.note(id, 'checkpoint', { instance: acquisition.instanceId, directory: `.detached/${id}` })
    }),
  )
  // Whoever reads the next line kills this process: what was noted must be kept by then.
  await state.jobs.settled()
  console.log('filled')
} else {
  const firstDecisionMs = Math.round(performance.now())
  const adopted = await Promise.all(
    state.left.map(async ({ acquisitionKey, checkpoint }) => {
      const acquisition = scaler.claimRestored(acquisitionKey)
      const isSame = acquisition?.instanceId === (checkpoint as { instance: string }).instance
      await acquisition?.connect()
      return isSame
    }),
  )
  const removed = group.calls.filter(({ operation }) => operation === 'decrease').length
  console.log(
    JSON.stringify({
      firstDecisionMs,
      allAdoptedMs: Math.round(performance.now()),
      adopted: adopted.filter(Boolean).length,
      removed,
    }),
  )
}
setInterval(() => {}, 1_000)
