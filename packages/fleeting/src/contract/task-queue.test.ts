import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TaskQueue } from './task-queue.ts'

const never = new AbortController().signal

test('never more tasks at a time than allowed, in the order of adding, although some leave the queue', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('add' as const) },
    { weight: 2, arbitrary: fc.constant('end' as const) },
    { weight: 1, arbitrary: fc.nat({ max: 20 }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (limit, steps) => {
      const queue = new TaskQueue(limit)
      const started: number[] = []
      const running = new Set<() => void>()
      const waiting = new Map<number, AbortController>()
      const controllers: AbortController[] = []
      const left = new Set<number>()
      for (const action of steps) {
        if (action === 'add') {
          const id = controllers.length
          const controller = new AbortController()
          controllers.push(controller)
          waiting.set(id, controller)
          const task = (): Promise<void> => {
            started.push(id)
            waiting.delete(id)
            return new Promise((resolve) => running.add(resolve))
          }
          queue.run(task, controller.signal).catch(() => waiting.delete(id))
        } else if (action === 'end') {
          const [end] = running
          if (end !== undefined) running.delete(end)
          end?.()
        } else {
          // One that waits gives up; one that runs takes no notice.
          if (waiting.has(action)) left.add(action)
          controllers[action]?.abort()
        }
        await setImmediate()
        expect(running.size).toBeLessThanOrEqual(limit)
        if (waiting.size > 0) expect(running.size).toBe(limit)
        expect([...waiting.keys(), ...started].filter((id) => left.has(id))).toEqual([])
      }
      expect(started).toEqual([...started].sort((one, other) => one - other))
    }),
  )
})

test('a task that starts at once starts in the same turn; one whose signal has aborted never does', async () => {
  const queue = new TaskQueue(1)
  let started = 0
  const task = async (): Promise<number> => (started += 1)
  const first = queue.run(task, never)
  expect(started).toBe(1)
  await expect(queue.run(task, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  await expect(first).resolves.toBe(1)
  expect(started).toBe(1)
})

test('a task that runs on after its abort keeps its place until it settles, and its result counts', async () => {
  const queue = new TaskQueue(1)
  const controller = new AbortController()
  let end!: (value: string) => void
  const first = queue.run(() => new Promise<string>((resolve) => (end = resolve)), controller.signal)
  let hasStarted = false
  const second = queue.run(async () => {
    hasStarted = true
  }, never)
  controller.abort(new Error('gone'))
  await setImmediate()
  expect(hasStarted).toBe(false)
  end('done')
  await expect(first).resolves.toBe('done')
  await second
  expect(hasStarted).toBe(true)
})

test('a task that fails gives its place on, and no listener stays at a signal', async () => {
  const queue = new TaskQueue(1)
  const { signal } = new AbortController()
  const failing = queue.run(async () => {
    throw new Error('failed')
  }, signal)
  const next = queue.run(async () => 'next', signal)
  await expect(failing).rejects.toThrow('failed')
  await expect(next).resolves.toBe('next')
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
