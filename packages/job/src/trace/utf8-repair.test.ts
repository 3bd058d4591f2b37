import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Utf8Repair } from './utf8-repair.ts'

function repairChunks(chunks: readonly Uint8Array[]): Buffer {
  const repair = new Utf8Repair()
  const pieces = chunks.map((chunk) => repair.push(Buffer.from(chunk)))
  pieces.push(repair.end())
  for (const piece of pieces) expect(isUtf8(piece)).toBe(true)
  return Buffer.concat(pieces)
}

/** Bytes that often are nearly a character. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xf4, 0xff),
      fc.nat(255),
    ),
    {
      maxLength: 12,
    },
  )
  .map((bytes) => Uint8Array.from(bytes))

it('gives what decoding the whole would give, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(anyBytes, { maxLength: 8 }), (chunks) => {
      expect(repairChunks(chunks).toString('hex')).toBe(
        Buffer.from(Buffer.concat(chunks).toString('utf8')).toString('hex'),
      )
    }),
    { numRuns: 2000 },
  )
})

it('leaves valid text as it is, cut in the middle of characters', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      fc.integer({ min: 1, max: 5 }),
      (text, size) => {
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
          text.subarray(index * size, (index + 1) * size),
        )
        expect(repairChunks(chunks).equals(text)).toBe(true)
      },
    ),
  )
})

it('does not copy what is valid', () => {
  const chunk = Buffer.from('plain text')
  expect(new Utf8Repair().push(chunk).buffer).toBe(chunk.buffer)
})

it('keeps nothing of the buffer it was given', () => {
  const repair = new Utf8Repair()
  const chunk = Buffer.from('a€').subarray(0, 3)
  repair.push(chunk)
  chunk.fill(0)
  expect(repair.push(Buffer.from([0xac])).toString()).toBe('€')
})
