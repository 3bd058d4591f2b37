import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConcurrentIds } from './concurrent-ids.ts'

test('the smallest number that nobody has, whatever was taken and given back before', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20)), { maxLength: 60 }), (steps) => {
      const ids = new ConcurrentIds()
      const taken: number[] = []
      for (const back of steps) {
        if (back === null || taken.length === 0) {
          const id = ids.take()
          expect(taken).not.toContain(id)
          for (let smaller = 0; smaller < id; smaller++) expect(taken).toContain(smaller)
          taken.push(id)
        } else {
          ids.giveBack(taken.splice(back % taken.length, 1)[0]!)
        }
      }
    }),
  )
})
