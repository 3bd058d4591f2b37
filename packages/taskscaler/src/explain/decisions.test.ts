import { GroupError } from '@runner-core/fleeting'
import { policy, Rig, type RigOptions } from '@runner-core/testkit/scaler/rig'
import { expect, test } from 'vitest'
import type { Decision } from './decision.ts'

async function start(options: RigOptions = {}): Promise<{ rig: Rig; decisions: Decision[]; kinds: () => string[] }> {
  const decisions: Decision[] = []
  const rig = await Rig.start({ ...options, observer: { decided: (decision) => decisions.push(decision) } })
  return {
    rig,
    decisions,
    kinds: () => decisions.map(({ kind, code }) => (code === undefined ? kind : `${kind} ${code}`)),
  }
}

test('an instance that is made and one that is removed are told with their reason, and nothing else when nothing happens', async () => {
  const { rig, decisions, kinds } = await start()
  const acquisition = await rig.acquire()
  rig.scaler.release(acquisition)
  await rig.clock.advance(3_600_000)
  expect(kinds()).toEqual(['policy', 'increase', 'ready', 'remove'])
  expect(decisions[1]).toMatchObject({ count: 1, reason: expect.stringContaining('1 for waiting jobs') })
  expect(decisions[2]).toMatchObject({
    instance: acquisition.instanceId,
    reason: 'passed its readiness check, 32 s after it was requested',
  })
  expect(decisions[3]).toMatchObject({
    instance: acquisition.instanceId,
    reason: expect.stringContaining('idle for 1 min'),
  })
})

test('a maximum that is reached is told once, however often promises are refused, and again when it is over', async () => {
  const { rig, decisions, kinds } = await start({ maxInstances: 1 })
  const acquisition = await rig.acquire()
  for (let tries = 0; tries < 100; tries++) {
    expect(() => rig.scaler.reserve()).toThrow('max_instances')
    await rig.clock.advance(1_000)
  }
  expect(kinds()).toEqual(['policy', 'increase', 'ready', 'refuse max_instances'])
  expect(decisions[3]!.reason).toContain('max_instances 1')
  rig.scaler.release(acquisition)
  await rig.clock.advance(30_000)
  expect(kinds().slice(4)).toEqual(['accept max_instances'])
  await rig.scaler.shutdown({ removeInstances: false })
})

test('what goes and comes with each job is told a few times in a thousand jobs', async () => {
  const { rig, kinds } = await start({ maxInstances: 1, existing: 1 })
  await rig.clock.advance(1_000)
  for (let job = 0; job < 1_000; job++) {
    const acquisition = await rig.scaler.acquire(rig.scaler.reserve())
    expect(() => rig.scaler.reserve()).toThrow()
    await rig.clock.advance(50)
    rig.scaler.release(acquisition)
  }
  expect(kinds()).toEqual(['policy', 'ready', 'refuse max_instances'])
})

test('launches that fail are told with the cloud’s words, each new failure once, and the wait for them', async () => {
  const { rig, decisions, kinds } = await start()
  rig.group.fail('increase', new GroupError('capacity', 'no m5.large in zone a'))
  const job = rig.begin(rig.scaler.reserve())
  await rig.clock.advance(2_000)
  expect(kinds()).toEqual(['policy', 'increase', 'launch_failed capacity', 'hold backoff'])
  expect(decisions[2]!.reason).toContain('no m5.large in zone a')
  expect(decisions[3]!.reason).toContain('no m5.large in zone a')
  await rig.clock.advance(300_000)
  expect(job.acquisition).toBeDefined()
  expect(kinds()).toContain('resume backoff')
  expect(kinds().filter((kind) => kind.startsWith('launch_failed'))).toHaveLength(1)
})

test('an open breaker and a throttle are told as what they are', async () => {
  const { rig, kinds, decisions } = await start()
  rig.group.fail('increase', new GroupError('auth', 'the key has expired'))
  rig.begin(rig.scaler.reserve())
  await rig.clock.advance(2_000)
  expect(kinds()).toContain('hold breaker')
  expect(decisions.find(({ code }) => code === 'breaker')!.reason).toContain('check that the credentials')

  const throttled = await start({ provisioner: { settings: { launchThrottle: { perSecond: 0.01, burst: 1 } } } })
  for (let jobs = 0; jobs < 3; jobs++) throttled.rig.begin(throttled.rig.scaler.reserve())
  await throttled.rig.clock.advance(60_000)
  expect(throttled.kinds()).toEqual(['policy', 'increase', 'hold throttle', 'ready'])
})

test('another policy is told when it comes into force, and whether the schedule keeps more at other times', async () => {
  const daily = { ...policy, periods: ['0-29 * * * *'], idleCount: 2, preemptiveMode: true }
  const { rig, decisions } = await start({ policies: [policy, daily] })
  await rig.clock.advance(3_600_000)
  const told = decisions.filter(({ kind }) => kind === 'policy')
  expect(told.length).toBeGreaterThanOrEqual(2)
  for (const { code, reason } of told) expect(code).toBe(reason.includes('idle_count 0') ? 'schedule' : undefined)
})

test('each instance says why it is there', async () => {
  const { rig } = await start({ policies: [{ ...policy, idleCount: 1, preemptiveMode: false }] })
  const why = (): string[] => rig.scaler.instances().map((status) => status.why)
  await rig.clock.advance(3_000)
  expect(why()).toEqual([expect.stringMatching(/^creating for/)])
  await rig.clock.advance(60_000)
  expect(why()).toEqual([expect.stringMatching(/^idle for .*; kept: free slots wanted: 1, ready: 1$/)])
  const acquisition = await rig.scaler.acquire(rig.scaler.reserve())
  await rig.clock.advance(60_000)
  expect(why()).toEqual(['in use; 1 job runs on it', expect.stringMatching(/^idle for/)])
  acquisition.condemn('it smells')
  expect(why()[0]).toMatch(/gets no more jobs: .*it smells; 1 job runs on it/)
})
