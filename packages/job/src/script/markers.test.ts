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
  fc.constantFrom('begin step_script', 'end 0', 'host a b').map((body) => ({ marker: body, size: marker(body).length })),
)

test('markers come out and output stays, byte for byte, wherever chunks end', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (parts, sizes) => {
      // Output that ends like a marker's start, right before a marker, would be another stream: a line end keeps them apart.
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
    }),
  )
})

test('output is passed on as it is, without a copy, and never held back without need', () => {
  const chunk = Buffer.from('building…\n')
  expect(new MarkerFilter(nonce).push(chunk)).toEqual([{ output: chunk }])
  const piece = new MarkerFilter(nonce).push(chunk)[0]!
  expect('output' in piece && piece.output.buffer).toBe(chunk.buffer)
  expect(new MarkerFilter(nonce).push(Buffer.from('a\x1eb'))).toEqual([{ output: Buffer.from('a\x1eb') }])
})

test('what only looked like a marker comes out at the end', () => {
  const filter = new MarkerFilter(nonce)
  expect(filter.push(Buffer.from(`x\x1e${nonce} end`))).toEqual([{ output: Buffer.from('x') }])
  expect(filter.end()).toEqual([{ output: Buffer.from(`\x1e${nonce} end`) }])
  expect(filter.end()).toEqual([])
})
