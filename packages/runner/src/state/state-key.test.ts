import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadStateKey } from './state-key.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'key-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('makes a key for this user alone, and finds it again', () => {
  const file = join(directory, 'new', 'key')
  const key = loadStateKey(file)
  expect(key).toHaveLength(32)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(loadStateKey(file).equals(key)).toBe(true)
  expect(readdirSync(join(directory, 'new'))).toEqual(['key'])
})

test('refuses a key that others can read, and what is no key, and changes nothing', () => {
  const file = join(directory, 'key')
  loadStateKey(file)
  chmodSync(file, 0o640)
  expect(() => loadStateKey(file)).toThrow(
    expect.objectContaining({ code: 'unavailable', message: expect.stringContaining('chmod 600') }),
  )
  writeFileSync(join(directory, 'other'), 'hello', { mode: 0o600 })
  expect(() => loadStateKey(join(directory, 'other'))).toThrow(/contains no key/)
  expect(readFileSync(join(directory, 'other'), 'utf8')).toBe('hello')
  expect(() => loadStateKey(join(file, 'below'))).toThrow(
    expect.objectContaining({ name: 'StateError', code: 'unavailable' }),
  )
})
