import { silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { ScriptedConnection } from '../../test/scripted-connection.ts'
import { SpaceLooks } from './space-looks.ts'

test('a machine that had room is looked at again after 10 s, one that had none by the next job', async () => {
  const clock = new ManualClock()
  const [one, other] = [new ScriptedConnection(), new ScriptedConnection()]
  const looks = new SpaceLooks({ minFreeBytes: 100 * 1024 + 1, clock, logger: silentLogger })
  expect(looks.due(one)).toBe(101)
  expect(looks.due(one)).toBe(101)
  looks.passed(one, 'i-1', true)
  expect(looks.due(one)).toBeUndefined()
  expect(looks.due(other)).toBe(101)
  await clock.advance(9_999)
  expect(looks.due(one)).toBeUndefined()
  await clock.advance(1)
  expect(looks.due(one)).toBe(101)
})

test('machines that do not tell are warned of once', () => {
  const warnings: unknown[] = []
  const logger = { ...silentLogger, warn: (fields: unknown) => void warnings.push(fields) }
  const looks = new SpaceLooks({ minFreeBytes: 1, clock: new ManualClock(), logger })
  const connection = new ScriptedConnection()
  looks.passed(connection, 'i-1', true)
  expect(warnings).toEqual([])
  looks.passed(connection, 'i-1', false)
  looks.passed(connection, 'i-2', false)
  expect(warnings).toEqual([{ instance: 'i-1' }])
})

test('without a least room nobody looks', () => {
  const looks = new SpaceLooks({ minFreeBytes: 0, clock: new ManualClock(), logger: silentLogger })
  expect(looks.due(new ScriptedConnection())).toBeUndefined()
})
