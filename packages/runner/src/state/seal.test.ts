import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Seal } from './seal.ts'

const key = randomBytes(32)

test('opens what any process with the key sealed, for the same place', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (plain, place) => {
      const sealed = new Seal(key).seal(plain, place)
      expect(new Seal(key).open(sealed, place)).toBe(Buffer.from(plain, 'utf8').toString('utf8'))
    }),
  )
})

test('opens nothing else: another key, another place, a changed or cut text', () => {
  const seal = new Seal(key)
  const sealed = seal.seal('secret', 'here')
  const wrong = expect.objectContaining({ name: 'StateError', code: 'wrong_key' })
  expect(() => new Seal(randomBytes(32)).open(sealed, 'here')).toThrow(wrong)
  expect(() => seal.open(sealed, 'there')).toThrow(wrong)
  const bytes = Buffer.from(sealed, 'base64')
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes)
    changed[index]! ^= 1
    expect(() => seal.open(changed.toString('base64'), 'here')).toThrow(wrong)
    expect(() => seal.open(bytes.subarray(0, index).toString('base64'), 'here')).toThrow(wrong)
  }
})

test('uses no nonce twice with the same key', () => {
  const heads = new Set<string>()
  for (let process = 0; process < 20; process += 1) {
    const seal = new Seal(key)
    for (let count = 0; count < 20; count += 1)
      heads.add(Buffer.from(seal.seal('same', 'place'), 'base64').toString('hex', 0, 28))
  }
  expect(heads.size).toBe(400)
})
