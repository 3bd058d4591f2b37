import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { describe, expect, test } from 'vitest'
import { localShells } from './local-shells.ts'

// busybox's sh does not look for a `sleep` of ours.
describe.each(localShells.filter(({ busyboxOnly }) => busyboxOnly !== true))('$name', (localShell) => {
  /** A machine whose git fails `failures` times, and whose `sleep` is over at once. */
  function machine(failures: number) {
    const environment = new LocalEnvironment({ localShell })
    const { home } = environment
    const program = (name: string, text: string): void => {
      const file = join(home, '.bin', name)
      rmSync(file, { force: true })
      writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    }
    program('sleep', `echo $1 >>${home}/slept`)
    // Once in each try.
    program(
      'git',
      `[ "$1" = init ] || exit 0; mkdir -p .git; echo x >>${home}/tried; [ $(grep -c x ${home}/tried) -gt ${failures} ] || exit 128`,
    )
    const slept = (): readonly string[] =>
      existsSync(`${home}/slept`) ? readFileSync(`${home}/slept`, 'utf8').trim().split('\n') : []
    return { environment, slept, [Symbol.dispose]: () => environment[Symbol.dispose]() }
  }
  const job = (attempts: string) =>
    payload({
      script: ['echo "the "script'],
      variables: [variable('GIT_STRATEGY', 'fetch'), variable('GET_SOURCES_ATTEMPTS', attempts)],
    })

  test('the pause before each try is twice as long, five minutes at most', async () => {
    using tried = machine(100)
    const { outcome, trace } = await run(tried.environment, job('10'))
    expect(outcome, trace).toMatchObject({ code: 'sources_failed' })
    const pauses = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    expect(tried.slept()).toEqual(pauses.map(String))
    expect(trace.match(/Retrying in \d+s/g)).toEqual(pauses.map((pause) => `Retrying in ${pause}s`))
  })

  test('the first try that comes through is the last', async () => {
    using tried = machine(2)
    const { outcome, trace } = await run(tried.environment, job('5'))
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(tried.slept()).toEqual(['5', '10'])
    expect(trace).toContain('\nthe script\n')
  })

  test.each(['1', '0', '11', 'many'])('GET_SOURCES_ATTEMPTS=%s: one try', async (attempts) => {
    using tried = machine(100)
    const { outcome } = await run(tried.environment, job(attempts))
    expect(outcome).toMatchObject({ code: 'sources_failed' })
    expect(tried.slept()).toEqual([])
  })
})
