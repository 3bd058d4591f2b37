import { describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import { GroupError } from '../../errors.ts'
import type { InstanceGroup } from '../../instance-group.ts'
import { simpleShell } from '../memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from '../memory-group.ts'
import { describeInstanceGroup } from '../vitest.ts'
import type { ConformanceOptions } from './conformance-run.ts'
import { runConformance } from './run-conformance.ts'

const capabilities = ['heartbeat', 'suspend_resume', 'interruption_notice'] as const

function memoryGroup(options: Partial<MemoryGroupOptions> = {}): MemoryGroup {
  return new MemoryGroup({ clock: systemClock, maxSize: 3, bootDelayMs: 3, deleteDelayMs: 2, shell: simpleShell, capabilities, ...options })
}

const quick: ConformanceOptions = { maxInstances: 3, pollMs: 1, patienceMs: 60 }

const patient = { ...quick, patienceMs: 5000 }
describeInstanceGroup('a memory group', memoryGroup, patient)

for (const [name, options] of [
  ['that refuses at once', { credentialsMs: 20 }],
  ['whose launches fail later', { lateRefusals: true, appearDelayMs: 2, callDelayMs: 1 }],
] as const) {
  const group = memoryGroup(options)
  describeInstanceGroup(`a memory group with its hand, ${name}`, () => group, { ...patient, cloud: group.hand })
}

/** A group that breaks one rule: `bend` gets a good one and overwrites a method. */
function bent(bend: (group: MemoryGroup) => Partial<InstanceGroup>, options: Partial<MemoryGroupOptions> = {}): () => InstanceGroup {
  return () => {
    const group = memoryGroup(options)
    return new Proxy(group, {
      get(target, property) {
        const overwritten = bend(target) as Record<string | symbol, unknown>
        const value = overwritten[property] ?? Reflect.get(target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

const mutants: readonly [rule: string, failing: string, group: () => InstanceGroup][] = [
  [
    'init without an id',
    'init tells an identity',
    bent((group) => ({ init: async (signal) => ({ ...(await group.init(signal)), id: ' ' }) })),
  ],
  [
    'a capability without its method',
    'init names only capabilities',
    bent((group) => ({ init: async (signal) => ({ ...(await group.init(signal)), capabilities: ['suspend_resume'] }) }), {
      capabilities: [],
    }),
  ],
  [
    'one machine too many',
    'increase by one',
    bent((group) => ({
      async increase(request, signal) {
        await group.increase({ count: 1, launchToken: `${request.launchToken}x` }, signal)
        return group.increase(request, signal)
      },
    })),
  ],
  [
    'half of what was asked for',
    'increase by several',
    bent((group) => ({ increase: (request, signal) => group.increase({ ...request, count: Math.ceil(request.count / 2) }, signal) })),
  ],
  [
    'an id that changes',
    'a new instance is creating or running',
    bent(
      (group) => ({
        async list(signal) {
          return (await group.list(signal)).map((row) => (row.state === 'creating' ? { ...row, id: `tmp-${row.id}` } : row))
        },
      }),
      { bootDelayMs: 20 },
    ),
  ],
  ['a token that launches twice', 'a launch token that list shows', () => memoryGroup({ tells: { idempotent: false } })],
  [
    'no quota error',
    'increase beyond the maximum',
    bent((group) => ({ increase: async (request, signal) => ({ requested: (await group.increase(request, signal)).requested }) })),
  ],
  [
    'a neighbour that goes too',
    'decrease removes exactly',
    bent((group) => ({ decrease: (ids, signal) => group.decrease(ids.length > 0 ? [...ids, ...group.ids.slice(-2)] : [], signal) })),
  ],
  [
    'an error for what is gone',
    'decrease accepts what is being removed',
    bent((group) => ({
      async decrease(ids, signal) {
        if (ids.some((id) => group.stateOf(id) !== 'running')) throw new GroupError('not_found', 'gone')
        return group.decrease(ids, signal)
      },
    })),
  ],
  [
    'ids matched by prefix',
    'decrease accepts unknown ids',
    bent((group) => ({
      async decrease(ids, signal) {
        await group.decrease(
          group.ids.filter((id) => ids.some((named) => named.startsWith(id))),
          signal,
        )
        return { accepted: ids }
      },
    })),
  ],
  [
    'an empty list that means all',
    'decrease of nothing',
    bent((group) => ({ decrease: (ids, signal) => group.decrease(ids.length === 0 ? group.ids : ids, signal) })),
  ],
  [
    'an instance that cannot be removed while it is created',
    'an instance that is still being created',
    bent(
      (group) => ({
        async decrease(ids, signal) {
          await group.decrease(
            ids.filter((id) => group.stateOf(id) !== 'creating'),
            signal,
          )
          return { accepted: ids }
        },
      }),
      { bootDelayMs: 10 },
    ),
  ],
  [
    'connect info of the dead',
    'connectInfo of an instance that is not there',
    bent(() => ({ connectInfo: async (id) => ({ instanceId: id, protocol: 'ssh', username: 'x' }) })),
  ],
  [
    'exit codes that are lost',
    'commands run',
    () => memoryGroup({ shell: (command) => (command.startsWith('exit') ? {} : simpleShell(command, '')) }),
  ],
  [
    'noise on stderr',
    'commands run',
    () => memoryGroup({ shell: async (command) => ({ ...(await simpleShell(command, '')), stderr: 'welcome' }) }),
  ],
  ['a deaf list', 'a call whose signal has aborted', bent((group) => ({ list: () => group.list(new AbortController().signal) }))],
  [
    'an increase that acts though aborted',
    'a call whose signal has aborted',
    bent((group) => ({ increase: (request) => group.increase(request, new AbortController().signal) })),
  ],
  ['heartbeats of the dead', 'heartbeat knows', bent(() => ({ heartbeat: async () => {} }))],
  [
    'a shutdown that works once',
    'nothing is left',
    bent((group) => ({
      async shutdown() {
        if (group.isShutDown) throw new Error('twice')
        await group.shutdown()
      },
    })),
  ],
]

describe('runConformance', () => {
  it('reports what passed and why something was skipped', async () => {
    const report = await runConformance(() => memoryGroup({ maxSize: 100, capabilities: [] }), {
      ...quick,
      patienceMs: 5000,
      maxInstances: 1,
    })
    expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(report.passed).toBeGreaterThan(12)
    expect(report.outcomes).toContainEqual({
      durationMs: 0,
      notes: [],
      name: 'decrease removes exactly those named',
      outcome: 'skipped',
      reason: 'needs 3 instances, and may have 1',
    })
    expect(report.passed + report.skipped).toBe(report.outcomes.length)
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
        error: expect.objectContaining({ message: `${victim} was there before, and is gone` }),
      }),
    )
  })

  it('fails a group that cannot be initialised, and goes no further', async () => {
    const group = memoryGroup()
    group.fail('init', new GroupError('auth', 'no key'))
    const report = await runConformance(() => group, quick)
    expect(report.outcomes).toMatchObject([{ name: 'init', outcome: 'failed', error: { message: 'no key' } }])
  })

  it.concurrent.each(mutants)('catches %s', async (_rule, failing, makeGroup) => {
    const report = await runConformance(makeGroup, quick)
    const failed = report.outcomes.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)
    expect(
      failed.some((name) => name.startsWith(failing)),
      `failed: ${failed.join('; ') || 'nothing'}`,
    ).toBe(true)
  })
})

function bindTo(target: MemoryGroup, property: string | symbol): unknown {
  const value: unknown = Reflect.get(target, property, target)
  return typeof value === 'function' ? value.bind(target) : value
}
