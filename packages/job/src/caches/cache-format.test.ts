import { expect, test } from 'vitest'
import { cacheFormat } from './cache-format.ts'

test.each([
  ['', 'zip'],
  ['zip', 'zip'],
  ['TarZstd', 'tarzstd'],
  ['tar.zst', 'tarzstd'],
  ['zipzstd', 'zipzstd'],
])('%j is %s', (setting, format) => {
  expect(cacheFormat(setting)).toEqual({ format })
})

test('what cannot be is a zip, and said', () => {
  expect(cacheFormat('rar').warning).toBe('CACHE_COMPRESSION_FORMAT "rar": expected zip, tarzstd or zipzstd; using zip')
})
