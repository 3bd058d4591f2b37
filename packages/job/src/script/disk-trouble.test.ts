import { expect, test } from 'vitest'
import { readDiskTrouble, readLowSpace } from './disk-trouble.ts'

test.each([
  ['2047 10 No space left on device', 'no_space', 'no space left in /builds (1 MB free)'],
  ['900000 0 No space left on device', 'no_space', 'no space left in /builds (no inodes free)'],
  ['- - No space left on device', 'no_space', 'no space left in /builds'],
  ['98304 - min_free_space 102400', 'low_space', '96 MB free in /builds, min_free_space is 100 MB'],
  ['900000 10 Disk quota exceeded', 'quota', 'the disk quota is used up in /builds (878 MB free)'],
  ['900000 10 Read-only file system', 'read_only', 'the file system of /builds is read-only'],
  ['900000 10 Permission denied', 'permission', '/builds cannot be written: Permission denied'],
  ['900000 10 Input/output\x1b[31m error\n', 'other', '/builds cannot be written: Input/output [31m error '],
])('%j is %s', (told, kind, message) => {
  expect(readDiskTrouble(told, '/builds')).toEqual({ kind, message })
})

test.each(['', '900000 10 ', 'nonsense'])('%j is no trouble', (told) => {
  expect(readDiskTrouble(told, '/builds')).toBeUndefined()
})

test.each([
  ['102399 10 ', '99 MB free in /builds, min_free_space is 100 MB'],
  ['12 10 ', '12 KB free in /builds, min_free_space is 100 MB'],
  ['102400 10 ', undefined],
  ['- 10 ', undefined],
  ['', undefined],
])('of %j, 100 MB are wanted: %s', (told, message) => {
  expect(readLowSpace(told, '/builds', 102_400)).toEqual(
    message === undefined ? undefined : { kind: 'low_space', message },
  )
})
