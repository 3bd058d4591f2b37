import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type InstanceGroup, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { engineGroup } from './engine-group.ts'

const never = new AbortController().signal
let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'engine-group-'))
})
afterEach(() => rmSync(stateDir, { recursive: true }))

async function open(kept?: { readonly stateDir: string }): Promise<InstanceGroup> {
  const context = { fleet: 'one', connector: {}, logger: silentLogger, clock: new ManualClock(), random: () => 0.5 }
  const group = engineGroup(async () => new PassThrough())({}, { ...context, ...kept })
  await group.init(never)
  return group
}

const launch = (group: InstanceGroup, launchToken: string, count = 1) => group.increase({ count, launchToken }, never)

test('an Engine is one instance: what more is wanted is refused, and a token that is asked again launches nothing', async () => {
  const group = await open()
  expect(await group.list(never)).toEqual([])
  expect(await launch(group, 'a', 2)).toMatchObject({ requested: 1, ids: ['engine-1'], errors: [{ code: 'quota' }] })
  expect(await launch(group, 'a')).toEqual({ requested: 1, ids: ['engine-1'] })
  expect(await launch(group, 'b')).toMatchObject({ requested: 0, errors: [{ code: 'quota' }] })
  expect(await group.list(never)).toEqual([{ id: 'engine-1', state: 'running', launchToken: 'a' }])
})

test('one that was given back is another instance when it is lent again', async () => {
  const group = await open()
  await launch(group, 'a')
  expect(await group.decrease(['engine-1', 'engine-0'], never)).toEqual({ accepted: ['engine-1', 'engine-0'] })
  expect(await group.list(never)).toEqual([])
  expect(await launch(group, 'b')).toEqual({ requested: 1, ids: ['engine-2'] })
  await expect(group.connect!('engine-1', never)).rejects.toMatchObject({ code: 'not_found' })
  await expect(group.connect!('engine-2', never)).resolves.toMatchObject({ ended: undefined })
})

test('the next process finds the loan, and uses no id twice', async () => {
  await launch(await open({ stateDir }), 'a')
  const next = await open({ stateDir })
  expect(await next.list(never)).toEqual([{ id: 'engine-1', state: 'running', launchToken: 'a' }])
  await next.decrease(['engine-1'], never)
  expect(await launch(await open({ stateDir }), 'b')).toEqual({ requested: 1, ids: ['engine-2'] })
})

test('a loan that somebody else wrote over is told, and left as it is', async () => {
  writeFileSync(join(stateDir, 'engine.json'), '{"count":"many"}')
  await expect(open({ stateDir })).rejects.toMatchObject({ code: 'invalid_config' })
})
