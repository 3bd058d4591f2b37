import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@runner-core/fleeting'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { shortToken } from './short-token.ts'
import { loadSystemId } from './system-id.ts'

test.each([
  ['glrt-abcdefghijklmnopqrst', 'abcdefghi'],
  ['glrt-t1_abcdefghijklmnopqrst', 'abcdefghi'],
  ['t2_abcdefghijklmnopqrst', 'abcdefghi'],
  ['glrtr-abcdefghijklmnopqrst', 'abcdefghi'],
  ['GR1348941abcdefghijklmnopqrst', 'abcdefghi'],
  ['glrt-abcdefghijklmnopqr', 'abcdefghi'],
  ['glrt-abcdefghijklmnopq', 'abcdefgh'],
  ['glrt-short12', 'sho'],
  ['abc', 'a'],
  ['a', ''],
])('%s is shown as %s', (token, short) => {
  expect(shortToken(token)).toBe(short)
})

describe('system id', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'system-id-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const load = (machineId?: string, where: string = folder): string =>
    loadSystemId({ folder: where, machineId: () => machineId, random: Math.random, logger: silentLogger })
  const file = (): string => readFileSync(join(folder, '.runner_system_id'), 'utf8')

  test('comes from the machine, as upstream makes it', () => {
    // printf gitlab-runner | openssl dgst -sha256 -hmac 0123456789abcdef
    expect(load('0123456789abcdef')).toBe('s_7a8ab7a73253')
    expect(file()).toBe(load('another machine'))
  })

  test('is random without a machine id, and stays', () => {
    const made = load()
    expect(made).toMatch(/^r_[0-9a-zA-Z]{12}$/)
    expect(load()).toBe(made)
    expect(load()).toBe(file())
  })

  test('a broken file is replaced', () => {
    writeFileSync(join(folder, '.runner_system_id'), 'what?')
    expect(load('m')).toBe(file())
  })

  test('a folder that cannot be written is no reason to stop', () => {
    expect(load(undefined, join(folder, 'missing'))).toMatch(/^r_/)
  })
})
