import { expect, test } from 'vitest'
import { gzipLevel } from './local-cache.ts'

test.each([
  ['', 1],
  ['fastest', 1],
  ['fast', 3],
  ['Default', 6],
  ['slow', 7],
  ['slowest', 9],
  ['9', 1],
])('CACHE_COMPRESSION_LEVEL %j: gzip -%d', (setting, level) => {
  expect(gzipLevel(setting)).toBe(level)
})
