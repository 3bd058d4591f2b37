import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { askCredentialHelper } from './credential-helper.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'helpers-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, script: string): void {
  const file = join(folder, `docker-credential-${name}`)
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

const never = new AbortController().signal
const ask = (helper: string, options: { readonly clock?: ManualClock; readonly signal?: AbortSignal } = {}) =>
  askCredentialHelper({
    helper,
    address: 'https://r.io/v1/',
    environment: { PATH: `${folder}:/usr/bin:/bin` },
    clock: systemClock,
    signal: never,
    ...options,
  })

test('a helper is asked for the address, and gives a password or a token', async () => {
  write('one', `[ "$1" = get ] && printf '{"ServerURL":"x","Username":"me","Secret":"for %s"}' "$(cat)"`)
  write('two', `echo '{"Username":"<token>","Secret":"identity"}'`)
  expect(await ask('one')).toEqual({ username: 'me', password: 'for https://r.io/v1/' })
  expect(await ask('two')).toEqual({ identitytoken: 'identity' })
})

test('a helper that has nothing for the address has not failed', async () => {
  write('none', 'echo credentials not found in native keychain; exit 1')
  write('empty', `echo '{"Username":"","Secret":""}'`)
  expect(await ask('none')).toBeUndefined()
  expect(await ask('empty')).toBeUndefined()
})

test.each([
  ['absent', undefined, 'missing', 'docker-credential-absent is not on PATH'],
  ['loud', 'echo no way; exit 3', 'failed', 'docker-credential-loud failed with exit code 3: no way'],
  ['careless', `echo '{"Secret":"hidden"}'; exit 3`, 'failed', 'docker-credential-careless failed with exit code 3'],
  ['odd', 'echo hidden', 'failed', 'the output of docker-credential-odd is not what the protocol asks for'],
  ['long', 'yes hidden', 'failed', 'the output of docker-credential-long is longer than 65536 bytes'],
  ['killed', 'kill -9 $$', 'failed', 'docker-credential-killed failed'],
])('a helper that is %s is an error by name', async (name, script, code, message) => {
  if (script !== undefined) write(name, script)
  await expect(ask(name)).rejects.toMatchObject({ code, message })
})

test.each([['../../bin/evil'], ['a/b'], ['-x'], ['a b'], ['x;touch y'], [''], ['.'], ['x'.repeat(100)]])(
  'the program %j is not run',
  async (name) => {
    await expect(ask(name)).rejects.toMatchObject({ code: 'invalid_name' })
  },
)

test('a helper that does not end is ended, with what it started', async () => {
  const clock = new ManualClock()
  const file = join(folder, 'pids')
  write('stuck', `sleep 1000 & echo $$ $! > ${file}.new; mv ${file}.new ${file}; wait`)
  const asked = ask('stuck', { clock })
  asked.catch(() => {})
  await vi.waitFor(() => expect(existsSync(file)).toBe(true))
  await clock.advance(30_000)
  await expect(asked).rejects.toMatchObject({
    code: 'timed_out',
    message: 'docker-credential-stuck did not end within 30 s',
  })
  for (const pid of readFileSync(file, 'utf8').trim().split(' '))
    await vi.waitFor(() => expect(isRunning(Number(pid))).toBe(false))
})

test('what a helper leaves behind is ended with it, and holds nothing up', async () => {
  const file = join(folder, 'pid')
  write('untidy', `sleep 1000 & echo $! > ${file}; echo '{"Username":"me","Secret":"s"}'`)
  expect(await ask('untidy')).toEqual({ username: 'me', password: 's' })
  await vi.waitFor(() => expect(isRunning(Number(readFileSync(file, 'utf8')))).toBe(false))
})

test('a helper is ended when the job is', async () => {
  const controller = new AbortController()
  write('stuck', 'sleep 1000')
  const asked = ask('stuck', { signal: controller.signal })
  controller.abort(new Error('canceled'))
  await expect(asked).rejects.toThrow('canceled')
})

/** A zombie that nobody has waited for has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
