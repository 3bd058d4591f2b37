import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { SharedTask } from './shared-task.ts'

const enough = new Error('enough')

function pending(): {
  task: SharedTask<string>
  signal: AbortSignal
  finish: (value: string) => void
  fail: (error: Error) => void
} {
  const controls = {} as { finish: (value: string) => void; fail: (error: Error) => void; signal: AbortSignal }
  const task = new SharedTask<string>(
    (signal) => new Promise((finish, fail) => Object.assign(controls, { finish, fail, signal })),
  )
  return { task, ...controls }
}

test('everybody who joined gets the one result', async () => {
  const { task, finish } = pending()
  const { signal } = new AbortController()
  const joined = [task.join(signal), task.join(signal)]
  finish('done')
  expect(await Promise.all(joined)).toEqual(['done', 'done'])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('goes on while one still waits, and is aborted when the last has left', async () => {
  const { task, signal } = pending()
  const [one, other] = [new AbortController(), new AbortController()]
  const joined = [task.join(one.signal), task.join(other.signal)]
  one.abort(enough)
  await expect(joined[0]).rejects.toBe(enough)
  expect(signal.aborted).toBe(false)
  other.abort(enough)
  await expect(joined[1]).rejects.toBe(enough)
  expect(signal.reason).toBe(enough)
})

test('aborting rejects at once, although the work takes no notice', async () => {
  const { task } = pending()
  const joined = task.join(new AbortController().signal)
  task.abort(enough)
  await expect(joined).rejects.toBe(enough)
})

test('fails for everybody, and nobody has to listen', async () => {
  const { task, fail } = pending()
  const joined = task.join(new AbortController().signal)
  fail(enough)
  await expect(joined).rejects.toBe(enough)
  const unheard = pending()
  unheard.fail(enough)
  await new Promise((resolve) => setImmediate(resolve))
})
