import { beforeAll, describe, expect, it, vi } from 'vitest'
import { breakGroup, brokenGroups, memoryGroup } from '../../../test/conformance-broken-groups.ts'
import { systemClock } from '../../contract/clock.ts'
import { GroupError } from '../../contract/errors.ts'
import { SkippingClock } from '../skipping-clock.ts'
import { describeInstanceGroup } from '../vitest.ts'
import type { ConformanceOptions } from './conformance-options.ts'
import { ConformanceRun } from './conformance-run.ts'
import type { ConformanceWait } from './long-waits.ts'
import { type ConformanceReport, conformanceCases, runConformance } from './run-conformance.ts'

const quick: ConformanceOptions = { maxInstances: 3, pollMs: 1, patienceMs: 60 }

const patient = { ...quick, patienceMs: 5000 }
const plain = memoryGroup()
describeInstanceGroup('a memory group', () => plain, patient)

const prompt = memoryGroup({ credentialsMs: 20 })
describeInstanceGroup('a memory group with its controls', () => prompt, { ...patient, cloud: prompt.controls })

const clock = new SkippingClock()
const late = memoryGroup({
  clock,
  credentialsMs: 60_000,
  lateRefusals: true,
  appearDelayMs: 2,
  callDelayMs: 1,
  listLagMs: 20,
})
describeInstanceGroup(
  'a memory group whose launches fail later, whose list is late, and whose clock can be set forward',
  () => late,
  {
    ...patient,
    clock,
    cloud: () => ({ ...late.controls, passTime: (ms) => clock.skip(ms) }),
  },
)

describe('runConformance', () => {
  it('reports what passed and why something was skipped', async () => {
    const report = await runConformance(() => memoryGroup({ maxSize: 100, capabilities: [], holdsOwner: false }), {
      ...quick,
      patienceMs: 5000,
      maxInstances: 1,
    })
    expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(report.passed).toBeGreaterThan(12)
    expect(report.outcomes).toContainEqual({
      durationMs: 0,
      notes: [],
      name: 'decrease removes exactly the instances it names',
      outcome: 'skipped',
      reason: 'needs 3 instances, but may have only 1',
    })
    expect(report.passed + report.skipped).toBe(report.outcomes.length)
  })

  it('says early what a case waits for, and what the cloud has that the list does not show', async () => {
    const { group, cloud } = breakGroup({
      fault: 'the second page is forgotten',
      foundBy: '',
      bend: (good) => ({ list: async (signal) => (await good.list(signal)).slice(0, 2) }),
    })
    const waits: ConformanceWait[] = []
    const run = await ConformanceRun.start(() => group, {
      ...quick,
      patienceMs: 200,
      cloud,
      onWait: (wait) => waits.push(wait),
    })
    await run.run(conformanceCases.find(({ name }) => name.startsWith('list shows every instance'))!)
    const wait = waits.find(({ what }) => what.startsWith('3 new instances to run; list shows '))
    expect(wait).toMatchObject({
      what: expect.stringMatching(/, and not \S+, which the cloud has too$/),
      patienceMs: 200,
    })
    expect(wait!.waitedMs).toBeLessThan(200)
  })

  it('says early which call does not answer', async () => {
    const good = memoryGroup()
    let lists = 0
    const never = new Promise<never>(() => {})
    const group = new Proxy(good, {
      get: (target, property) =>
        property === 'list'
          ? (signal: AbortSignal) => (++lists > 1 ? never : target.list(signal))
          : bindTo(target, property),
    })
    const waits: ConformanceWait[] = []
    const run = await ConformanceRun.start(() => group, { ...quick, onWait: (wait) => waits.push(wait) })
    await run.run(conformanceCases.find(({ name }) => name.startsWith('list returns the same'))!)
    expect(waits).toContainEqual(
      expect.objectContaining({ name: 'list returns the same while nothing happens', what: 'an answer of list' }),
    )
  })

  it('asks for nothing that the protocol of a group has no words for', async () => {
    const good = memoryGroup({ lateRefusals: true })
    const group = new Proxy(good, {
      get(target, property) {
        if (property === 'init')
          return async (signal: AbortSignal) => ({
            ...(await target.init(signal)),
            findings: [],
            untold: ['findings', 'launch_errors', 'states'],
          })
        if (property === 'list')
          return async (signal: AbortSignal) =>
            (await target.list(signal)).map(({ id, state, launchToken }) => ({
              id,
              state: state === 'unknown' ? 'running' : state,
              ...(launchToken !== undefined && { launchToken }),
            }))
        return bindTo(target, property)
      },
    })
    const report = await runConformance(() => group, { ...patient, cloud: good.controls })
    expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    const silent = report.outcomes.flatMap((outcome) => (outcome.outcome === 'skipped' ? [outcome.reason] : []))
    expect(silent).toContain("the group's protocol cannot report states")
    expect(silent).toContain("the group's protocol cannot report findings")
    const failing = report.outcomes.find(({ name }) => name.startsWith('a launch that fails for capacity'))
    expect(failing).toMatchObject({
      outcome: 'passed',
      notes: expect.arrayContaining([expect.stringContaining('is not reported')]),
    })
  })

  it('leaves no timer of its own behind, for which a plugin would be blamed', async () => {
    const open = new Set<number>()
    const original = systemClock.after.bind(systemClock)
    let count = 0
    vi.spyOn(systemClock, 'after').mockImplementation((delayMs, callback) => {
      const id = ++count
      if (delayMs >= 1000) open.add(id)
      const cancel = original(delayMs, () => {
        open.delete(id)
        callback()
      })
      return () => {
        open.delete(id)
        cancel()
      }
    })
    try {
      const group = memoryGroup()
      const run = await ConformanceRun.start(() => group, { ...patient, cloud: group.controls })
      for (const conformanceCase of conformanceCases) await run.run(conformanceCase)
      await run.finish()
      expect(open.size).toBe(0)
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('leaves what was there before alone, and notices when it goes', async () => {
    const group = memoryGroup({ maxSize: 10 })
    const foreign = group.addForeign()
    const good = await runConformance(() => group, { ...quick, patienceMs: 5000 })
    expect(good.failed).toBe(0)
    expect(group.ids).toEqual([foreign])

    const other = memoryGroup({ maxSize: 10 })
    const victim = other.addForeign()
    const takes = new Proxy(other, {
      get: (target, property) =>
        property === 'decrease'
          ? (ids: readonly string[], signal: AbortSignal) => target.decrease([...ids, victim], signal)
          : bindTo(target, property),
    })
    const bad = await runConformance(() => takes, quick)
    expect(bad.outcomes).toContainEqual(
      expect.objectContaining({
        outcome: 'failed',
        error: expect.objectContaining({ message: `${victim} existed before and is gone` }),
      }),
    )
  })

  it('fails a group that cannot be initialised, and goes no further', async () => {
    const group = memoryGroup()
    group.fail('init', new GroupError('auth', 'no key'))
    const report = await runConformance(() => group, quick)
    expect(report.outcomes).toMatchObject([{ name: 'init', outcome: 'failed', error: { message: 'no key' } }])
  })
})

describe('runConformance finds', () => {
  // All at once: what they do is to wait.
  const reports = new Map<string, ConformanceReport>()
  beforeAll(async () => {
    await Promise.all(
      brokenGroups.map(async (broken) => {
        const { group, cloud } = breakGroup(broken)
        reports.set(broken.fault, await runConformance(() => group, { ...quick, cloud }))
      }),
    )
  }, 60_000)

  it.each(brokenGroups)('$fault', ({ fault, foundBy }) => {
    const failed = reports.get(fault)!.outcomes.filter(({ outcome }) => outcome === 'failed')
    expect(failed.map(({ name }) => name)).toContainEqual(expect.stringMatching(new RegExp(`^${foundBy}`)))
  })
})

function bindTo(target: ReturnType<typeof memoryGroup>, property: string | symbol): unknown {
  const value: unknown = Reflect.get(target, property, target)
  return typeof value === 'function' ? value.bind(target) : value
}
