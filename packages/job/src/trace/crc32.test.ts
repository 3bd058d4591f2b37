import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crc32, tableCrc32 } from './crc32.ts'

it.each([crc32, tableCrc32])('is the IEEE checksum', (checksum) => {
  expect(checksum(Buffer.from('123456789'), 0)).toBe(0xcbf43926)
  expect(checksum(Buffer.alloc(0), 0)).toBe(0)
})

it('is the same with and without zlib, in pieces too', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
      const whole = tableCrc32(Buffer.from([...first, ...second]), 0)
      expect(crc32(Buffer.from(second), crc32(Buffer.from(first), 0))).toBe(whole)
      expect(tableCrc32(Buffer.from(second), tableCrc32(Buffer.from(first), 0))).toBe(whole)
    }),
  )
})
