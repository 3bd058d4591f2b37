import { afterEach, describe, expect, it } from 'vitest'
import { GroupError } from './errors.ts'
import { MemoryStateStore } from './memory-state-store.ts'
import type { InstanceChange } from './provisioner/instance.ts'
import type { ProvisionerOptions } from './provisioner/options.ts'
import { Provisioner } from './provisioner.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { simpleShell } from './testing/memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from './testing/memory-group.ts'
import { seededRandom } from './testing/seeded-random.ts'

const never = new AbortController().signal
const started: Provisioner[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((provisioner) => provisioner.shutdown({ removeInstances: false })))
})

async function start(groupOptions: Partial<MemoryGroupOptions> = {}, options: Partial<ProvisionerOptions> = {}) {
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock, maxSize: 10, ...groupOptions })
  const busy = new Set<string>()
  const changes: InstanceChange[] = []
  const provisioner = await Provisioner.start({ group, clock, random: seededRandom(1), isBusy: (id) => busy.has(id), ...options }, never)
  provisioner.onChange((batch) => changes.push(...batch))
  started.push(provisioner)
  const ids = () => [...provisioner.instances().keys()]
  const count = (operation: string) => group.calls.filter((call) => call.operation === operation).length
  return { clock, group, busy, changes, provisioner, ids, count }
}

describe('launches', () => {
  it('takes what fits, sends it in one call, and tells the instances as requested', async () => {
    const { clock, provisioner, count, ids, changes } = await start({ bootDelayMs: 3000 })
    expect(provisioner.request(3, { reason: 'test' })).toBe(3)
    expect(provisioner.request(20, { reason: 'test' })).toBe(7)
    expect(provisioner.request(1, { reason: 'test' })).toBe(0)
    await clock.advance(1000)
    expect(count('increase')).toBe(1)
    expect(ids()).toHaveLength(10)
    expect([...provisioner.instances().values()].every(({ cause, state }) => cause === 'requested' && state === 'creating')).toBe(true)
    await clock.advance(4000)
    expect([...provisioner.instances().values()].every(({ state, runningAt }) => state === 'running' && runningAt !== undefined)).toBe(true)
    expect(provisioner.launchState().outstanding).toEqual([])
    expect(changes.filter(({ kind }) => kind === 'seen')).toHaveLength(10)
  })

  it('removes until list shows them gone', async () => {
    const { clock, provisioner, group, ids } = await start({ deleteDelayMs: 5000 })
    provisioner.request(2, { reason: 'test' })
    await clock.advance(1000)
    const [first = '', second = ''] = ids()
    group.deletesIgnored = 1
    expect(provisioner.remove([first, 'nobody'], 'idle')).toEqual([first])
    await clock.advance(30_000)
    expect(group.stateOf(first)).toBe('running')
    await clock.advance(60_000)
    expect(ids()).toEqual([second])
    expect(new GroupError('auth', '').code).toBe('auth')
    expect(new MemoryStateStore()).toBeDefined()
    expect(simpleShell).toBeDefined()
  })
})
