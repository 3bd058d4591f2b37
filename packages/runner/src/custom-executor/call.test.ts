import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCall } from './call.ts'

const call = { call: 'run', temporaryDirectory: '/tmp/a', owner: 1, script: '/tmp/a/script', stage: 'build_script' }

test('a call of each kind', () => {
  expect(parseCall(JSON.stringify(call))).toEqual(call)
  for (const name of ['config', 'prepare', 'cleanup'])
    expect(parseCall(JSON.stringify({ ...call, call: name })).call).toBe(name)
})

test.each([
  { ...call, call: 'explode' },
  { ...call, temporaryDirectory: '' },
  { ...call, owner: '1' },
  { ...call, runner: 3 },
  { ...call, script: undefined },
  { ...call, stage: undefined },
  {},
])('%j is none', (value) => {
  expect(() => parseCall(JSON.stringify(value))).toThrow('expected a call')
})

test('whatever comes, it is a call or an error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      expect(() => parseCall(line)).toThrow(Error)
    }),
  )
})
