import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { payload, run } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { afterAll, describe, expect, test } from 'vitest'
import { localShells } from './local-shells.ts'

const hasSshAgent = spawnSync('sh', ['-c', 'command -v ssh-agent']).status === 0
/** Starts a program as an orphan: its parent has ended when it begins. */
const orphan = (command: string): string => `({ ${command}; } &)`

describe.each(localShells)('what a script in $name leaves running', (localShell) => {
  const environment = new LocalEnvironment({ localShell, graceMs: 500 })
  afterAll(() => environment[Symbol.dispose]())

  test.each([
    ['in the background', (sleep: string) => `${sleep} &`],
    ['holding the output open, in a session of its own', (sleep: string) => `setsid ${sleep} &`],
    ['detached twice', (sleep: string) => `setsid sh -c '(setsid ${sleep} &)' </dev/null >/dev/null 2>&1`],
    ['ignoring hang-ups', (sleep: string) => orphan(`trap '' HUP; ${sleep}`)],
    [
      'without its environment',
      (sleep: string) =>
        orphan(`env -i ${process.platform === 'linux' ? 'PATH="$PATH" ' : ''}setsid ${sleep} >/dev/null 2>&1`),
    ],
    ['with a lower limit of memory', (sleep: string) => orphan(`ulimit -m 1000000; setsid ${sleep}`)],
    ['stopped', (sleep: string) => `${sleep} & kill -STOP $!`],
    [
      'as a shell that never ran a program',
      (_: string, id: string) => orphan(`trap 'ID=${id}' USR1; while :; do :; done`),
    ],
    ['from a script that fails', (sleep: string) => `setsid ${sleep} & exit 3`],
    ['from a script that kills its shell', (sleep: string) => `setsid ${sleep} & kill -9 $$`],
  ])('%s is ended with the job', async (_, line) => {
    const id = uniqueSleep()
    const { outcome } = await run(environment, payload({ script: [line(`sleep ${id}`, id), 'true'] }))
    expect(outcome.state).toBe(
      line('', '').includes('exit 3') || line('', '').includes('kill -9') ? 'failed' : 'success',
    )
    expect(processesWith(id)).toEqual([])
    expect(marked(environment)).toEqual([])
  })

  test('and ignores TERM is killed after the grace', async () => {
    const id = uniqueSleep()
    const { outcome, trace } = await run(
      environment,
      payload({ script: [orphan(`trap '' TERM; sleep ${id}; sleep ${id}`), 'trap "echo asked" TERM'] }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toMatch(/Job succeeded\n$/)
    expect(processesWith(id)).toEqual([])
  })

  test('may end as it likes when it is asked to', async () => {
    using patient = new LocalEnvironment({ localShell, graceMs: 10_000 })
    const { outcome } = await run(
      patient,
      payload({
        script: [
          orphan(`trap 'echo bye >bye; exit' TERM; touch ready; while :; do sleep 0.01; done`),
          'until [ -f ready ]; do sleep 0.01; done; rm ready',
        ],
      }),
    )
    expect(outcome).toEqual({ state: 'success' })
    const { trace } = await run(patient, payload({ script: ['cat bye; rm bye'] }))
    expect(trace).toContain('\nbye\n')
  })

  test.skipIf(!hasSshAgent || localShell.busyboxOnly === true)(
    'and hides its environment, as ssh-agent does, is ended with the job',
    async () => {
      const id = uniqueSleep()
      await run(environment, payload({ script: [`eval $(ssh-agent -a "$RUNNER_TEMP_PROJECT_DIR/${id}")`] }))
      expect(processesWith(id)).toEqual([])
    },
  )

  test('of one job is told from another’s of the same user', async () => {
    using other = new LocalEnvironment({ localShell })
    const id = uniqueSleep()
    const finished = run(other, payload({ script: [`setsid sleep ${id} & wait; echo over`] }))
    await until(() => processesWith(id).length > 0)
    await run(environment, payload({ script: ['setsid sleep 1000 &', 'kill -9 $$'] }))
    await environment.killAll()
    expect(processesWith(id)).toHaveLength(1)
    await other.killAll()
    expect(processesWith(id)).toEqual([])
    await finished
  })
})

describe('where the limit of resident memory cannot be set', () => {
  // A hard limit that is lower already: then the variable alone marks the job's processes, the shell's own included.
  const limited = new LocalEnvironment({ localShell: localShells[0]!, graceMs: 500, hardResidentLimit: 1_000_000 })
  afterAll(() => limited[Symbol.dispose]())

  test.each([
    ['setsid', (sleep: string) => `setsid ${sleep} & true`],
    [
      'a shell that never ran a program',
      (_: string, id: string) => orphan(`trap 'ID=${id}' USR1; while :; do :; done`),
    ],
    [
      'a child without environment of a process that has one',
      (sleep: string) => `setsid sh -c 'env -i PATH="$PATH" setsid ${sleep} & wait' & sleep 0.2`,
    ],
  ])('%s is ended too', async (_, line) => {
    const id = uniqueSleep()
    const { outcome } = await run(limited, payload({ script: [line(`sleep ${id}`, id)] }))
    expect(outcome).toEqual({ state: 'success' })
    expect(processesWith(id)).toEqual([])
  })
})

test('a long job’s processes are found although process ids may have come round', async () => {
  using environment = new LocalEnvironment({ localShell: localShells[0]! })
  const id = uniqueSleep()
  await run(environment, payload({ script: [`setsid sleep ${id} &`, 'sleep 2.1'] }))
  expect(processesWith(id)).toEqual([])
})

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await delay(10)
}

/** Processes with the job's variable in their environment. */
function marked({ jobMarker }: LocalEnvironment): string[] {
  const found = spawnSync('sh', ['-c', `grep -lsF '${jobMarker.name}=${jobMarker.value}' /proc/[0-9]*/environ`], {
    encoding: 'utf8',
  }).stdout
  return found.split('\n').filter((path) => path !== '' && existsSync(path))
}
