import { expect, test } from 'vitest'
import { cacheFormat } from './cache-format.ts'

test.each([
  ['', 'zip'],
  ['zip', 'zip'],
  ['TarZstd', 'tarzstd'],
  ['tar.zst', 'tarzstd'],
  ['zipzstd', 'zipzstd'],
])('%j is %s', (setting, format) => {
  expect(cacheFormat(setting, true)).toEqual({ format })
})

test('what cannot be is a zip, and said', () => {
  for (const wanted of ['tarzstd', 'zipzstd'])
    expect(cacheFormat(wanted, false)).toEqual({
      format: 'zip',
      warning: `CACHE_COMPRESSION_FORMAT "${wanted}": the runner needs Node 22.15 or later for Zstandard; the cache is a zip`,
    })
  expect(cacheFormat('rar', true).warning).toBe('CACHE_COMPRESSION_FORMAT "rar": expected zip, tarzstd or zipzstd; the cache is a zip')
})
