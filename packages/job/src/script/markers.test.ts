import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MarkerFilter, type OutputPiece } from './markers.ts'

const nonce = '0123456789abcdef'
const marker = (body: string): Buffer => Buffer.from(`\x1e${nonce} ${body}\x1e`)

/** Joins neighbouring output, so that streams cut at different places compare. */
function joined(pieces: readonly OutputPiece[]): (string | Buffer)[] {
  const result: (string | Buffer)[] = []
  for (const piece of pieces) {
    const before = result.at(-1)
    if ('marker' in piece) result.push(piece.marker)
    else if (Buffer.isBuffer(before)) result[result.length - 1] = Buffer.concat([before, piece.output])
    else result.push(Buffer.from(piece.output))
  }
  return result
}

const nearMiss = fc.constantFrom(
  Buffer.from('\x1e'),
  Buffer.from('\x1e\x1e'),
  Buffer.from(`\x1e${nonce}`),
  Buffer.from(`\x1e${nonce.slice(0, 7)}`),
  Buffer.from(`${nonce} end 0\x1e`),
  Buffer.from(`\x1effff${nonce} end 0\x1e`),
)
const output = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  nearMiss,
)
const part = fc.oneof(
  output.map((bytes) => ({ output: bytes })),
  fc
    .constantFrom('begin step_script', 'end 0', 'host a b')
    .map((body) => ({ marker: body, size: marker(body).length })),
)

test('markers come out and output stays, byte for byte, wherever chunks end', () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 12 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (parts, sizes) => {
        // Output that ends like a marker's start, right before a marker, would be another stream: a line end keeps them
        // apart.
        const expected = parts.flatMap((piece): OutputPiece[] =>
          'output' in piece ? [{ output: Buffer.concat([piece.output, Buffer.from('\n')]) }] : [piece],
        )
        const stream = Buffer.concat(expected.map((piece) => ('marker' in piece ? marker(piece.marker) : piece.output)))
        const filter = new MarkerFilter(nonce)
        const seen: OutputPiece[] = []
        for (let at = 0; at < stream.length; ) {
          const size = sizes.next().value
          seen.push(...filter.push(stream.subarray(at, at + size)))
          at += size
        }
        seen.push(...filter.end())
        expect(joined(seen)).toEqual(joined(expected))
      },
    ),
  )
})

test('output is passed on as it is, without a copy, and never held back without need', () => {
  const chunk = Buffer.from('building…\n')
  expect(new MarkerFilter(nonce).push(chunk)).toEqual([{ output: chunk }])
  const piece = new MarkerFilter(nonce).push(chunk)[0]!
  expect('output' in piece && piece.output.buffer).toBe(chunk.buffer)
  expect(new MarkerFilter(nonce).push(Buffer.from('a\x1eb'))).toEqual([{ output: Buffer.from('a\x1eb') }])
})

test('what begins like a marker and does not end is output, and hardly any of it is held back', () => {
  const filter = new MarkerFilter(nonce)
  const begin = Buffer.from(`\x1e${nonce} `)
  const passed = [begin, ...Array.from({ length: 1000 }, () => Buffer.alloc(1000, 'x'))].flatMap((chunk) =>
    filter.push(chunk),
  )
  expect(
    Buffer.concat(filter.end().map((piece) => ('output' in piece ? piece.output : Buffer.alloc(0)))).length,
  ).toBeLessThanOrEqual(4096)
  expect(passed.every((piece) => 'output' in piece)).toBe(true)
  expect(filter.push(marker('end 0'))).toEqual([{ marker: 'end 0', size: marker('end 0').length }])
})

test('what is too long for a marker is none, wherever chunks end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4060, max: 4110 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 3000 })),
      (length, sizes) => {
        const stream = Buffer.concat([marker('x'.repeat(length)), marker('end 0')])
        const filter = new MarkerFilter(nonce)
        const seen: OutputPiece[] = []
        for (let at = 0; at < stream.length; ) {
          const size = sizes.next().value
          seen.push(...filter.push(stream.subarray(at, at + size)))
          at += size
        }
        seen.push(...filter.end())
        const isMarker = marker('x'.repeat(length)).length <= 4096
        expect(joined(seen)).toEqual([isMarker ? 'x'.repeat(length) : marker('x'.repeat(length)), 'end 0'])
      },
    ),
  )
})

test('what only looked like a marker comes out at the end', () => {
  const filter = new MarkerFilter(nonce)
  expect(filter.push(Buffer.from(`x\x1e${nonce} end`))).toEqual([{ output: Buffer.from('x') }])
  expect(filter.end()).toEqual([{ output: Buffer.from(`\x1e${nonce} end`) }])
  expect(filter.end()).toEqual([])
})
