import { expect, test } from 'vitest'
import type { OutputFrame } from './frame-reader.ts'
import { OutputPosition } from './output-position.ts'

const out = (text: string, stream: OutputFrame['stream'] = 'stdout'): OutputFrame => ({
  stream,
  bytes: Buffer.from(text),
})

function read(position: OutputPosition, ...frames: readonly OutputFrame[]): string {
  return frames
    .map((frame) => position.next(frame))
    .map(({ bytes, isGap }) => `${isGap ? '[gap]' : ''}${bytes.toString()}`)
    .join('')
}

test('what was read is skipped in the next reading, wherever its pieces end', () => {
  const position = new OutputPosition()
  expect(read(position, out('one '), out('error ', 'stderr'), out('two '))).toBe('one error two ')
  position.rewind()
  expect(read(position, out('one t'), out('wo three '), out('error more', 'stderr'))).toBe('three more')
  position.rewind()
  expect(read(position, out('one two three four'))).toBe('four')
})

test('a log that begins otherwise is read from its new beginning, after the gap', () => {
  const position = new OutputPosition()
  read(position, out('one two three '))
  position.rewind()
  expect(read(position, out('o'), out('ther '), out('four '))).toBe('[gap]other four ')
  position.rewind()
  expect(read(position, out('other four five'))).toBe('five')
})

test('a reading that broke off early does not hide a gap', () => {
  const position = new OutputPosition()
  read(position, out('one two '))
  position.rewind()
  read(position, out('on'))
  position.rewind()
  expect(read(position, out('one three'))).toBe('[gap]one three')
})
