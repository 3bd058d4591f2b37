import { ConnectionError } from '@runner-core/fleeting'
import { Rig } from '@runner-core/testkit/scaler/rig'
import { describe, expect, test } from 'vitest'
import type { ReadyCheck } from './readiness.ts'

/** A check that ends when the test says so. */
function openCheck(): { check: ReadyCheck; answer: (error?: Error) => void; asked: string[]; signals: AbortSignal[] } {
  const asked: string[] = []
  const signals: AbortSignal[] = []
  let answer = (_error?: Error): void => {}
  const check: ReadyCheck = (instance, _connection, signal) => {
    asked.push(instance.id)
    signals.push(signal)
    return new Promise((resolve, reject) => {
      answer = (error) => (error === undefined ? resolve() : reject(error))
    })
  }
  return { check, answer: (error) => answer(error), asked, signals }
}

describe('an instance is offered only once it is proven ready', () => {
  test('a connection alone does not do when there is a ready check', async () => {
    const { check, answer, asked } = openCheck()
    const observed: number[] = []
    const rig = await Rig.start({ readyCheck: check, observer: { instanceReady: (ms) => observed.push(ms) } })
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(120_000)
    expect([asked, job]).toEqual([['m-1'], {}])
    expect(rig.scaler.snapshot().supply).toMatchObject({ available: 0, pending: 1 })
    answer()
    await rig.clock.advance(0)
    expect(job.acquisition?.instanceId).toBe('m-1')
    expect(observed).toEqual([119_980])
  })

  test('one that fails its check is removed, never lent, and launches back off', async () => {
    let broken = true
    const check: ReadyCheck = async () => {
      if (broken) throw new Error('ready command: exit code 7')
    }
    const rig = await Rig.start({ readyCheck: check })
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(34_000)
    expect(rig.group.stateOf('m-1')).toBe('deleting')
    expect(rig.provisioner.launchState().backoffs).toMatchObject([{ code: 'failed_boot', failures: 1 }])
    await rig.clock.advance(200_000)
    const made = rig.group.ids.length + rig.scaler.counters.scale.down
    expect(made).toBeLessThan(6)
    expect(job).toEqual({})
    broken = false
    await rig.clock.advance(300_000)
    expect(job.acquisition).toBeDefined()
  })

  test('one that cannot be connected to is removed', async () => {
    const rig = await Rig.start()
    rig.group.unreachable = new Set(['m-1'])
    const job = await rig.acquire()
    expect(job.instanceId).toBe('m-2')
    expect(rig.group.ids).not.toContain('m-1')
  })

  test('one that takes too long is given up', async () => {
    const { check, signals } = openCheck()
    const rig = await Rig.start({ readyCheck: check, readyTimeoutMs: 90_000 })
    rig.begin(rig.scaler.reserve())
    await rig.clock.advance(40_000)
    expect(signals[0]?.aborted).toBe(false)
    await rig.clock.advance(90_000)
    expect(signals[0]?.reason).toBeInstanceOf(ConnectionError)
    expect(signals[0]?.reason).toMatchObject({ code: 'unreachable', message: 'not ready within 90 s' })
    expect(rig.provisioner.instances().get('m-1')?.removal?.reason ?? 'gone').toMatch(
      /gone|did not become ready: not ready within 90 s/,
    )
  })

  test('a group that cannot say how to reach it yet is asked again', async () => {
    const rig = await Rig.start({ group: { bootDelayMs: 0 } })
    const { connect } = rig.group
    let asked = 0
    const { GroupError } = await import('@runner-core/fleeting')
    Object.assign(rig.group, {
      connect: (id: string, signal: AbortSignal) =>
        ++asked < 4
          ? Promise.reject(new GroupError('not_ready', 'no address yet'))
          : connect!.call(rig.group, id, signal),
    })
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(5_000)
    expect(job).toEqual({})
    await rig.clock.advance(5_000)
    expect([asked, job.acquisition?.instanceId]).toEqual([4, 'm-1'])
  })

  test('a check is ended when its instance goes, and at shutdown', async () => {
    const { check, signals, answer } = openCheck()
    const rig = await Rig.start({ readyCheck: check })
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(35_000)
    rig.group.preempt('m-1')
    await rig.clock.advance(70_000)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    await rig.scaler.shutdown({ removeInstances: false })
    expect(signals[1]?.aborted).toBe(true)
    answer()
    await rig.clock.advance(0)
    expect(job.acquisition).toBeUndefined()
    expect(rig.clock.pendingTimers).toBe(0)
  })
})
