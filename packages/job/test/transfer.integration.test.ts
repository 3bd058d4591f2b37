import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quote } from '../src/script/quote.ts'
import { transferCommand } from '../src/script/transfer-command.ts'
import { localShells } from './local-shells.ts'

const loginShells = ['/bin/bash', '/bin/dash', '/bin/busybox', '/usr/bin/fish', '/bin/tcsh', '/bin/zsh'].filter(
  (path) => existsSync(path),
)
const jobMarker = { name: 'RUNNER_CORE_JOB', value: 'transfertest' }

describe.each(loginShells)('login shell %s', (path) => {
  const args = path === '/bin/busybox' ? ['sh', '-c'] : ['-c']

  test('a command arrives as it was written, whatever is in it', () => {
    const text = fc.string({
      unit: fc.constantFrom(
        'a',
        "'",
        '"',
        '\\',
        '%',
        '$',
        '`',
        '!',
        '\n',
        '\r',
        ' ',
        'é',
        '日',
        '*',
        '0',
        'n',
        '#',
        '~',
      ),
      maxLength: 40,
    })
    fc.assert(
      fc.property(text, (word) => {
        const command = transferCommand({ command: `printf %s ${quote(word)}`, jobMarker })
        const { stdout, stderr } = spawnSync(path, [...args, command], { encoding: 'utf8' })
        expect({ stdout, stderr }).toEqual({ stdout: word, stderr: '' })
      }),
      { numRuns: 60 },
    )
  })
})

describe.each(localShells)('$name', (localShell) => {
  test('bytes go in and come out, and how it ended', async () => {
    using environment = new LocalEnvironment({ localShell })
    const chunks: Buffer[] = []
    const errors: Buffer[] = []
    async function* input(): AsyncGenerator<Buffer> {
      for (let index = 0; index < 64; index++) yield Buffer.alloc(65_536, index)
    }
    const end = await environment.transfer({
      command: 'cat; echo why >&2; exit 3',
      input: input(),
      stdout: (chunk) => void chunks.push(chunk),
      stderr: (chunk) => void errors.push(chunk),
      signal: new AbortController().signal,
    })
    expect(end).toEqual({ exitCode: 3 })
    expect(Buffer.concat(chunks)).toEqual(
      Buffer.concat(Array.from({ length: 64 }, (_, index) => Buffer.alloc(65_536, index))),
    )
    expect(Buffer.concat(errors).toString()).toBe('why\n')
  })

  test("what it starts is the job's: a stop ends it", async () => {
    using environment = new LocalEnvironment({ localShell })
    const stop = new AbortController()
    const seconds = uniqueSleep()
    const transfer = environment.transfer({
      command: `echo begun; sleep ${seconds} & wait`,
      stdout: () => stop.abort(new Error('canceled')),
      stderr: () => {},
      signal: stop.signal,
    })
    await expect(transfer).rejects.toThrow('canceled')
    expect(processesWith(seconds)).toEqual([])
  })
})
