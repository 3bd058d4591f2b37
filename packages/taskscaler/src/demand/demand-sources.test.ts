import { ManualClock } from '@runner-core/fleeting/testing'
import PQueue from 'p-queue'
import { describe, expect, test } from 'vitest'
import { pQueueDemand } from './p-queue-demand.ts'
import { QueueDepth } from './queue-depth.ts'

describe('QueueDepth', () => {
  test('answers what it was told last, as long as that holds', async () => {
    const clock = new ManualClock()
    const queue = new QueueDepth({ name: 'gitlab', clock, timeToLiveMs: 1000 })
    expect(queue.depth()).toBe(0)
    queue.set(7)
    await clock.advance(999)
    expect(queue.depth()).toBe(7)
    await clock.advance(1)
    expect(queue.depth()).toBe(0)
    queue.set(3)
    queue.set(4)
    expect(queue.depth()).toBe(4)
  })

  test('wakes when the depth changed, one that had expired included', async () => {
    const clock = new ManualClock()
    const queue = new QueueDepth({ name: 'gitlab', clock, timeToLiveMs: 1000 })
    let wakes = 0
    const stop = queue.onChange(() => wakes++)
    queue.set(0)
    queue.set(2)
    queue.set(2)
    expect(wakes).toBe(1)
    await clock.advance(1000)
    queue.set(2)
    expect(wakes).toBe(2)
    stop()
    queue.set(9)
    expect(wakes).toBe(2)
  })
})

describe('pQueueDemand', () => {
  test('counts tasks that wait, wakes when they come and start, and lets go', async () => {
    const queue = new PQueue({ concurrency: 1 })
    const source = pQueueDemand(queue)
    let wakes = 0
    const stop = source.onChange!(() => wakes++)
    const ends: (() => void)[] = []
    for (let task = 0; task < 3; task++) void queue.add(() => new Promise<void>((end) => ends.push(end)))
    expect([source.name, source.depth()]).toEqual(['p-queue', 2])
    expect(wakes).toBeGreaterThanOrEqual(3)
    const before = wakes
    ends[0]!()
    await new Promise((resolve) => setImmediate(resolve))
    expect(source.depth()).toBe(1)
    expect(wakes).toBeGreaterThan(before)
    stop()
    expect(queue.listenerCount('add') + queue.listenerCount('active')).toBe(0)
  })
})
