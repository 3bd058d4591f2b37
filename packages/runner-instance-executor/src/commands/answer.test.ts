import { expect, test } from 'vitest'
import { Answer } from './answer.ts'

test('an answer without end is refused', () => {
  const answer = new Answer()
  answer.take(Buffer.from('clean'))
  answer.take(Buffer.from('\n'))
  expect(answer.text).toBe('clean\n')
  expect(() => {
    for (;;) answer.take(Buffer.alloc(1000, 'x'))
  }).toThrow('the instance returned more than')
  expect(answer.text.length).toBeLessThanOrEqual(16_384)
})
