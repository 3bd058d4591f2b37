import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Semaphore } from './semaphore.ts'

test('never more inside than allowed, in order of asking, whoever leaves the queue', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('enter' as const) },
    { weight: 2, arbitrary: fc.constant('leave' as const) },
    { weight: 1, arbitrary: fc.nat({ max: 20 }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (limit, steps) => {
      const semaphore = new Semaphore(limit)
      const entered: number[] = []
      const waiting = new Map<number, AbortController>()
      let inside = 0
      let asked = 0
      for (const action of steps) {
        if (action === 'enter') {
          const id = asked++
          const controller = new AbortController()
          waiting.set(id, controller)
          semaphore.acquire(controller.signal).then(
            () => {
              entered.push(id)
              waiting.delete(id)
              inside += 1
            },
            () => waiting.delete(id),
          )
        } else if (action === 'leave') {
          if (inside > 0) {
            inside -= 1
            semaphore.release()
          }
        } else {
          // Somebody who waits gives up; who is inside already does not notice.
          waiting.get(action)?.abort()
        }
        await Promise.resolve().then(() => undefined)
        await Promise.resolve()
        expect(inside).toBeLessThanOrEqual(limit)
        if (waiting.size > 0) expect(inside).toBe(limit)
      }
      expect(entered).toEqual([...entered].sort((one, other) => one - other))
    }),
  )
})

test('leaves no listener behind, and passes a place on before it takes newcomers', async () => {
  const semaphore = new Semaphore(1)
  const { signal } = new AbortController()
  expect(semaphore.tryAcquire()).toBe(true)
  const second = semaphore.acquire(signal)
  semaphore.release()
  expect(semaphore.tryAcquire()).toBe(false)
  await second
  expect(getEventListeners(signal, 'abort')).toEqual([])
  semaphore.release()
  expect(semaphore.tryAcquire()).toBe(true)
})
