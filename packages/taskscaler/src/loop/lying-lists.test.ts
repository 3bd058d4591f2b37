import type { ListedInstance } from '@runner-core/fleeting'
import { Rig } from '@runner-core/testkit/scaler/rig'
import { expect, test } from 'vitest'
import type { Acquisition } from '../slots/acquisition.ts'

const never = new AbortController().signal

/** Twenty jobs at work, each on an instance of its own that a command of two minutes runs on. */
async function twentyJobs(options: { readonly byId: boolean; readonly isConnected: boolean }) {
  const rig = await Rig.start({
    maxInstances: 40,
    group: {
      tells: { byId: options.byId },
      shell: () => new Promise((resolve) => rig.clock.after(120_000, () => resolve({ exit: { code: 0 } }))),
    },
  })
  const before = await rig.group.list(never)
  const jobs = Array.from({ length: 20 }, () => rig.begin(rig.scaler.reserve()))
  await rig.clock.advance(60_000)
  const acquisitions = jobs.map(({ acquisition }) => acquisition!)
  expect(new Set(acquisitions.map(({ instanceId }) => instanceId)).size).toBe(20)
  const ends = options.isConnected ? acquisitions.map((acquisition) => run(rig, acquisition)) : []
  await rig.clock.advance(1_000)
  return { rig, acquisitions, before, ends }
}

async function run({ provisioner }: Rig, { instanceId, slot }: Acquisition): Promise<unknown> {
  const connection = await provisioner.connect(instanceId, slot, never)
  return (await connection.exec('the job')).closed
}

test.each([
  [{ byId: true, isConnected: true }],
  [{ byId: false, isConnected: true }],
  [{ byId: true, isConnected: false }],
  [{ byId: false, isConnected: false }],
])('20 leased instances survive a list that is empty twice and then stale for a minute: %j', async (options) => {
  const { rig, acquisitions, before, ends } = await twentyJobs(options)
  const { clock, group, scaler } = rig
  const ids = [...group.ids]
  // Empty twice, then what was true before the machines were made.
  const answers: (readonly ListedInstance[])[] = [[], []]
  const staleUntil = clock.now() + 62_000
  const truth = group.list.bind(group)
  group.list = async (signal) => answers.shift() ?? (clock.now() < staleUntil ? before : truth(signal))
  await clock.advance(20_000)
  expect(rig.provisioner.missingCount).toBe(20)
  expect(rig.provisioner.massDisappearanceSince).toBeDefined()
  // More jobs come meanwhile: they get instances of their own, and nothing is made in place of what is missing.
  const more = rig.begin(scaler.reserve())
  await clock.advance(100_000)
  expect(rig.provisioner.missingCount).toBe(0)
  const late = options.isConnected ? [] : acquisitions.map((acquisition) => run(rig, acquisition))
  await clock.advance(150_000)
  expect(await Promise.all([...ends, ...late])).toEqual(Array.from({ length: 20 }, () => ({ code: 0 })))
  expect(acquisitions.filter(({ signal }) => signal.aborted)).toEqual([])
  expect(group.calls.filter(({ operation }) => operation === 'decrease')).toEqual([])
  expect(group.ids.slice(0, 20)).toEqual(ids)
  expect(group.ids.length).toBeLessThanOrEqual(21)
  for (const acquisition of acquisitions) scaler.release(acquisition)
  await clock.advance(60_000)
  expect(more.acquisition).toBeDefined()
  scaler.release(more.acquisition!)
  await clock.advance(1_000)
  expect(scaler.status().tasks.acquired).toBe(0)
})

test('a lease ends when its instance is really gone, within half a minute where only lists and connections tell', async () => {
  const { rig, acquisitions, ends } = await twentyJobs({ byId: false, isConnected: true })
  const [gone, ...others] = acquisitions
  const [lost, ...finished] = ends.map((end) =>
    end.then(
      () => 'done',
      (error: Error) => error.message,
    ),
  )
  rig.group.preempt(gone!.instanceId)
  // The job hears of it from its connection.
  expect(await lost).toBe(`instance ${gone!.instanceId} does not answer`)
  await rig.clock.advance(27_000)
  expect(gone!.signal.aborted).toBe(true)
  expect(others.filter(({ signal }) => signal.aborted)).toEqual([])
  await rig.clock.advance(120_000)
  expect(await Promise.all(finished)).toEqual(others.map(() => 'done'))
})
