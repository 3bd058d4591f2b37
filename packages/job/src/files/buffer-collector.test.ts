import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BufferCollector } from './buffer-collector.ts'

const mebibyte = 1024 * 1024

/**
 * An engine that never collects by itself: `young` is freed by any collection, `old` by one of all, `needed` by none.
 */
function engine() {
  const outside = { young: 0, old: 0, needed: 0 }
  const collected: ('minor' | 'major')[] = []
  const collector = new BufferCollector({
    outsideBytes: () => outside.young + outside.old + outside.needed,
    collect(what) {
      collected.push(what)
      outside.young = 0
      if (what === 'major') outside.old = 0
    },
  })
  return { outside, collected, collector }
}

// 14 MiB, and five times what may pass before the next look, both when the measure is taken and when it is exceeded.
test('what is dead never comes to more than 27 MiB, however much passes and however it dies', () => {
  const chunk = fc.record({
    bytes: fc.integer({ min: 16 * 1024, max: 256 * 1024 }),
    young: fc.integer({ min: 0, max: 3 }),
    old: fc.integer({ min: 0, max: 2 }),
  })
  fc.assert(
    fc.property(fc.array(chunk, { minLength: 1, maxLength: 50 }), (chunks) => {
      const { outside, collector } = engine()
      collector.passed(mebibyte)
      let most = 0
      for (let passed = 0; passed < 200 * mebibyte; ) {
        for (const { bytes, young, old } of chunks) {
          outside.young += young * bytes
          outside.old += old * bytes
          collector.passed(bytes)
          passed += bytes
          most = Math.max(most, outside.young + outside.old)
        }
      }
      expect(most).toBeLessThanOrEqual(27 * mebibyte)
    }),
    { numRuns: 100 },
  )
})

test('what dies young costs collections of the young only, one for each 8 MiB at most', () => {
  const { outside, collected, collector } = engine()
  for (let passed = 0; passed < 1024; passed++) {
    outside.young += mebibyte
    collector.passed(mebibyte)
  }
  expect(collected.every((what) => what === 'minor')).toBe(true)
  expect(collected.length).toBeGreaterThan(64)
  expect(collected.length).toBeLessThanOrEqual(128)
})

test('what goes on being needed, as by many transfers at once, is not collected for again and again', () => {
  const { outside, collected, collector } = engine()
  collector.passed(mebibyte)
  outside.needed = 200 * mebibyte
  for (let passed = 0; passed < 1024; passed++) collector.passed(mebibyte)
  expect(collected).toEqual(['major'])
})

test('nothing is looked at or collected where nothing is added, and before a mebibyte has passed', () => {
  const { outside, collected, collector } = engine()
  for (let passed = 0; passed < 1024; passed++) collector.passed(mebibyte)
  outside.young = 500 * mebibyte
  for (let passed = 0; passed < 1023; passed++) collector.passed(1024)
  expect(collected).toEqual([])
})
