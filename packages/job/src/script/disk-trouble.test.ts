import { expect, test } from 'vitest'
import { readDiskTrouble } from './disk-trouble.ts'

test.each([
  ['2047 10 No space left on device', 'no_space', 'no space left in /builds (1 MB free)'],
  ['900000 0 No space left on device', 'no_space', 'no space left in /builds (no inodes free)'],
  ['- - No space left on device', 'no_space', 'no space left in /builds'],
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
