import { ConnectionError, GroupError } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, type MemoryShell, simpleShell } from '@runner-core/fleeting/testing'
import { policy, Rig } from '@runner-core/testkit/scaler/rig'
import PQueue from 'p-queue'
import { describe, expect, test } from 'vitest'
import { InvalidSettingsError } from './invalid-settings.ts'
import { OutputLimitError } from './run-command.ts'
import { type TaskSlot, TaskTimeoutError } from './run-task.ts'
import { NoCapacityError } from './slots/acquisition.ts'
import { Taskscaler } from './taskscaler.ts'

const never = new Promise<never>(() => {})

/** `wait` never ends; all else is `simpleShell`. */
const shell: MemoryShell = (command, id) => (command === 'wait' ? never : simpleShell(command, id))

async function pass(rig: Rig, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) await rig.clock.advance(1000)
}

/** What became of a promise so far. */
function outcomeOf<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const outcome: { value?: T; error?: unknown } = {}
  promise.then(
    (value) => (outcome.value = value),
    (error) => (outcome.error = error),
  )
  return outcome
}

describe('run', () => {
  test('gives a task a slot, returns what it returned, and gives the slot back', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const running = outcomeOf(
      rig.scaler.run(async (slot) => ({ ...(await slot.exec('echo hello')), where: slot.instanceId })),
    )
    await pass(rig, 40)
    expect(running.value).toEqual({ code: 0, stdout: 'hello\n', stderr: '', where: rig.group.ids[0] })
    expect(rig.scaler.status().tasks).toMatchObject({ acquired: 0, idle: 1 })
  })

  test('reports how a command ended, with its outputs, and throws only where it cannot know', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const running = outcomeOf(rig.scaler.run(async ({ exec }) => [await exec('exit 3'), await exec('nonsense')]))
    await pass(rig, 40)
    expect(running.value).toEqual([
      { code: 3, stdout: '', stderr: '' },
      { code: 127, stdout: '', stderr: 'nonsense: command not found\n' },
    ])
  })

  test('waits in line: thirty tasks of a p-queue of concurrency 50 are done on four slots', async () => {
    const rig = await Rig.start({ maxInstances: 2, capacityPerInstance: 2 })
    const queue = new PQueue({ concurrency: 50 })
    let atOnce = 0
    let most = 0
    const task = async ({ exec }: TaskSlot): Promise<string> => {
      most = Math.max(most, ++atOnce)
      await new Promise<void>((resolve) => rig.clock.after(5_000, resolve))
      atOnce--
      return (await exec('echo done')).stdout
    }
    const all = outcomeOf(queue.addAll(Array.from({ length: 30 }, () => () => rig.scaler.run(task))))
    await pass(rig, 120)
    expect(all.value).toEqual(Array.from({ length: 30 }, () => 'done\n'))
    expect(most).toBe(4)
  })

  test('waits through back-off', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    rig.group.fail('increase', new GroupError('capacity', 'no machines left'))
    const running = outcomeOf(rig.scaler.run(({ exec }) => exec('true')))
    await pass(rig, 5)
    expect(() => rig.scaler.reserve()).toThrow(NoCapacityError)
    expect(running).toEqual({})
    await pass(rig, 300)
    expect(running.value).toMatchObject({ code: 0 })
  })

  test('higher priorities go first', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const order: number[] = []
    for (const priority of [0, 2, 1]) void rig.scaler.run(async () => void order.push(priority), { priority })
    await pass(rig, 60)
    expect(order).toEqual([2, 1, 0])
  })

  test('a caller that gives up the wait leaves nothing behind', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const patience = new AbortController()
    const running = outcomeOf(rig.scaler.run(() => never, { signal: patience.signal }))
    patience.abort(new Error('enough'))
    await pass(rig, 1)
    expect(running.error).toEqual(new Error('enough'))
    expect(rig.scaler.status().tasks).toMatchObject({ pending: 0, reserved: 0 })
  })

  test('what a task throws is thrown, and its slot goes to the next one', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const failing = outcomeOf(rig.scaler.run(() => Promise.reject(new Error('task failed'))))
    const next = outcomeOf(rig.scaler.run(async ({ useCount }) => useCount))
    await pass(rig, 60)
    expect(failing.error).toEqual(new Error('task failed'))
    expect(next.value).toBe(2)
  })

  test('an instance that cannot be connected to is replaced, and the task runs on another', async () => {
    const rig = await Rig.start({ maxInstances: 2 })
    const ready = await rig.acquire()
    rig.scaler.release(ready)
    rig.group.dropConnections()
    rig.group.fail('connect', new ConnectionError('refused_credentials', 'no'))
    const running = outcomeOf(rig.scaler.run(async ({ instanceId }) => instanceId))
    await pass(rig, 120)
    expect(running.value).toEqual(expect.any(String))
    expect(running.value).not.toBe(ready.instanceId)
    expect(rig.group.ids).not.toContain(ready.instanceId)
  })

  test('a task that takes too long is told, and its instance gets no more work while something of it may run', async () => {
    const rig = await Rig.start({ maxInstances: 2, group: { shell } })
    const running = outcomeOf(rig.scaler.run(({ exec }) => exec('wait'), { timeoutMs: 10_000 }))
    await pass(rig, 45)
    expect(running.error).toEqual(new TaskTimeoutError(10_000))
    expect(running.error).toMatchObject({ code: 'task_timeout', timeoutMs: 10_000 })
    await pass(rig, 10)
    expect(rig.group.ids).toEqual([])
  })

  test('a task whose instance is lost fails with its connection, and the slot is gone', async () => {
    const rig = await Rig.start({ maxInstances: 1, group: { shell } })
    let where = ''
    const running = outcomeOf(
      rig.scaler.run(({ exec, instanceId }) => {
        where = instanceId
        return exec('wait')
      }),
    )
    await pass(rig, 40)
    rig.group.preempt(where)
    await pass(rig, 300)
    expect(running.error).toMatchObject({ code: 'connection_lost' })
    expect(rig.scaler.status().tasks.acquired).toBe(0)
  })

  test('a command that a task does not wait for takes the instance out of use', async () => {
    const rig = await Rig.start({ maxInstances: 2, group: { shell } })
    const running = outcomeOf(
      rig.scaler.run(async ({ exec, instanceId }) => {
        exec('wait').catch(() => {})
        return instanceId
      }),
    )
    await pass(rig, 60)
    expect(rig.group.ids).not.toContain(running.value)
  })

  test('keeps no more output than it may', async () => {
    const rig = await Rig.start({ maxInstances: 1, group: { shell: () => ({ stdout: 'x'.repeat(11) }) } })
    const options = { maxOutputBytes: 10 }
    const running = outcomeOf(rig.scaler.run(({ exec }) => exec('anything', options)))
    await pass(rig, 40)
    expect(running.error).toEqual(new OutputLimitError(10))
  })
})

describe('drain', () => {
  test('accepts nothing more, and resolves once all that was accepted has come to its end', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const task = () => new Promise<void>((resolve) => rig.clock.after(10_000, resolve))
    const running = [outcomeOf(rig.scaler.run(task)), outcomeOf(rig.scaler.run(task))]
    await pass(rig, 35)
    const drained = outcomeOf(rig.scaler.drain().then(() => 'drained'))
    const late = outcomeOf(rig.scaler.run(task))
    await pass(rig, 1)
    expect(late.error).toMatchObject({ code: 'no_capacity', reason: 'shutdown' })
    expect(() => rig.scaler.reserve()).toThrow(NoCapacityError)
    expect(drained).toEqual({})
    await pass(rig, 30)
    expect(drained).toEqual({ value: 'drained' })
    expect(running.map(({ error }) => error)).toEqual([undefined, undefined])
  })

  test('is waited for no longer than the caller wants', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    void rig.scaler.run(() => never)
    const enough = new AbortController()
    const drained = outcomeOf(rig.scaler.drain({ signal: enough.signal }))
    enough.abort(new Error('enough'))
    await pass(rig, 1)
    expect(drained.error).toEqual(new Error('enough'))
  })
})

describe('the end of a scaler', () => {
  test('a slot in use has the whole time of a shutdown to be given back, and its instance is removed then', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const running = outcomeOf(
      rig.scaler.run(async ({ exec }) => {
        await new Promise<void>((resolve) => rig.clock.after(20_000, resolve))
        return (await exec('echo whole')).stdout
      }),
    )
    await pass(rig, 35)
    const ending = outcomeOf(rig.scaler.shutdown({ removeInstances: true, timeoutMs: 60_000 }))
    await pass(rig, 50)
    expect(running.value).toBe('whole\n')
    expect(ending.value).toEqual({ remaining: [] })
    expect(rig.group.ids).toEqual([])
  })

  test.each(['remove-instances', 'keep-instances'] as const)(
    'an exception in an `await using` block: %s',
    async (onDispose) => {
      const clock = new ManualClock()
      const group = new MemoryGroup({ clock, shell: simpleShell })
      const block = outcomeOf(
        (async () => {
          await using scaler = await Taskscaler.start({
            provisioner: { group, maxInstances: 1 },
            onDispose,
            policies: [policy],
            clock,
          })
          await scaler.run(() => Promise.reject(new Error('in the middle')))
        })(),
      )
      for (let second = 0; second < 60; second++) await clock.advance(1000)
      expect(block.error).toEqual(new Error('in the middle'))
      expect(group.ids).toHaveLength(onDispose === 'remove-instances' ? 0 : 1)
      expect(group.isShutDown).toBe(true)
    },
  )

  test('instances that nothing can connect to are refused at the start', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock })
    const starting = Taskscaler.start({ provisioner: { group, maxInstances: 1 }, onDispose: 'keep-instances', clock })
    const refused = expect(starting).rejects.toThrow(InvalidSettingsError)
    await clock.advance(10_000)
    await refused
    await expect(starting).rejects.toThrow('provisioner.connector: expected a connector, got none')
    expect(group.isShutDown).toBe(true)
  })
})
