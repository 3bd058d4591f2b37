import { describe, expect, test } from 'vitest'
import { never } from '../../test/memory-fleet.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import { Provisioner } from '../provisioner/provisioner.ts'
import { ManualClock, MemoryGroup } from '../testing/index.ts'
import { checkGroup, initGroup } from './init-group.ts'

const clock = new ManualClock()

/** As JavaScript may make it. */
const group = (changes: object): InstanceGroup => Object.assign(new MemoryGroup({ clock }), changes)
const answering = (info: unknown): InstanceGroup => group({ init: async () => info })

describe('what a plugin made', () => {
  test('is a group when it has all that must be there', () => {
    expect(() => checkGroup(group({}))).not.toThrow()
  })

  test.each<[unknown, string]>([
    [group({ list: undefined, increase: 7 }), 'the plugin’s group lacks list, increase'],
    [{}, 'the plugin’s group lacks init, list, increase, decrease, connectInfo, shutdown'],
    [undefined, 'createInstanceGroup: expected an instance group, got nothing'],
    [null, 'createInstanceGroup: expected an instance group, got null'],
    ['group', 'createInstanceGroup: expected an instance group, got "group"'],
  ])('%#: is none, and a start says so', async (made, message) => {
    const error = { code: 'invalid_config', message: message.replace('’', "'") }
    await expect(Provisioner.start({ group: made as InstanceGroup, clock }, never)).rejects.toMatchObject(error)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('the answer of init', () => {
  test.each([0, 5, Infinity])('may have the maximum %d', async (maxSize) => {
    const info = { id: 'test', maxSize, version: '1' }
    expect(await initGroup(answering(info), never)).toBe(info)
  })

  test.each([
    [{ id: '', maxSize: 1 }, 'init: id: expected a non-empty string, got ""'],
    [{ id: 7, maxSize: 1 }, 'init: id: expected a non-empty string, got 7'],
    [{ id: 'a', maxSize: NaN }, 'init: maxSize: expected a number of at least 0, got NaN'],
    [{ id: 'a', maxSize: '5' }, 'init: maxSize: expected a number of at least 0, got "5"'],
    [
      undefined,
      'init: id: expected a non-empty string, got nothing\ninit: maxSize: expected a number of at least 0, got nothing',
    ],
  ])('%j is refused, and the group ended', async (info, message) => {
    const made = answering(info)
    await expect(Provisioner.start({ group: made, clock }, never)).rejects.toMatchObject({
      code: 'invalid_config',
      message,
    })
    expect((made as MemoryGroup).isShutDown).toBe(true)
  })
})
