import { expect, test } from 'vitest'
import { cacheFormat } from './cache-format.ts'

test.each([
  ['', 'zip'],
  ['zip', 'zip'],
  ['TarZstd', 'tarzstd'],
  ['tar.zst', 'tarzstd'],
])('%j is %s', (setting, format) => {
  expect(cacheFormat(setting, true)).toEqual({ format })
})

test('what cannot be is a zip, and said', () => {
  expect(cacheFormat('tarzstd', false)).toEqual({
    format: 'zip',
    warning: 'CACHE_COMPRESSION_FORMAT "tarzstd": the runner needs Node 22.15 or later for it; the cache is a zip',
  })
  expect(cacheFormat('zipzstd', true).warning).toBe('CACHE_COMPRESSION_FORMAT "zipzstd": expected zip or tarzstd; the cache is a zip')
})
