import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { admits, isOn, withSshKey } from './metadata.ts'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzXWyOlw7oC8uaulBcO5DD48'
const item = fc.record({ key: fc.constantFrom('a', 'b', 'ssh-keys', 'enable-oslogin'), value: fc.string() })
const metadata = fc.uniqueArray(item, { selector: (one) => one.key }).map((items) => ({ fingerprint: 'f', items }))

describe('a key put into metadata', () => {
  test('lets its user in, and leaves everything that was there', () => {
    fc.assert(
      fc.property(metadata, (before) => {
        const items = withSshKey(before, 'runner', key)
        expect(admits({ items }, 'runner', key)).toBe(true)
        expect(admits({ items }, 'root', key)).toBe(false)
        for (const old of before.items) {
          const now = items.find((one) => one.key === old.key)
          if (old.key === 'ssh-keys') expect(now?.value?.startsWith(old.value)).toBe(true)
          else expect(now).toEqual(old)
        }
        expect(new Set(items.map((one) => one.key)).size).toBe(items.length)
      }),
    )
  })

  test.each([
    ['', true],
    [' somebody', true],
    ['X runner', false],
    [' google-ssh {"userName":"runner","expireOn":"2026-11-24T06:00:00+0000"}', false],
  ])('is there when its line ends in "%s": %s', (end, isThere) => {
    expect(admits({ items: [{ key: 'ssh-keys', value: `other:x\nrunner:${key}${end}` }] }, 'runner', key)).toBe(isThere)
  })
})

test("a machine's own word counts before its project's", () => {
  const one = (value: string) => ({ items: [{ key: 'enable-oslogin', value }] })
  for (const yes of ['TRUE', 'true', 'Yes', '1', 'y']) expect(isOn('enable-oslogin', one(yes))).toBe(true)
  for (const no of ['FALSE', '0', '', 'truely']) expect(isOn('enable-oslogin', one(no), one('TRUE'))).toBe(false)
  expect(isOn('enable-oslogin', undefined, one('TRUE'))).toBe(true)
})
