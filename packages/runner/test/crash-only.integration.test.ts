// An error that nothing catches, in a real manager under real jobs: with state it costs no job.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Coordinator } from '@runner-core/runner/testing'
import { fleetConfig, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { expect, test } from 'vitest'

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50))
}

test.each([
  ['an error that nothing catches', "setImmediate(() => { throw new Error('boom') })"],
  ['a rejection that nothing handles', "void Promise.reject(new Error('boom'))"],
])('%s ends a manager with state at once, and the next one finishes its jobs', async (_, act) => {
  await using coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1 })
  await using managers = new Managers('crash-only')
  const { folder } = managers
  const preload = join(folder, 'preload.mjs')
  writeFileSync(preload, `process.on('SIGUSR2', () => ${act})`)
  managers.configure(
    fleetConfig({
      name: 'crash-only',
      url: coordinator.url,
      token: Coordinator.token,
      slots: 6,
      top: `log_format = "json"\nstate_dir = "${join(folder, 'state')}"\nstate_key_file = "${join(folder, 'state.key')}"`,
      runner: 'request_concurrency = 6',
      machines: localMachines(folder),
    }),
  )
  const ledger = join(folder, 'ledger')
  mkdirSync(ledger)
  const first = managers.startWith({ NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` })
  const jobs = Array.from({ length: 6 }, (_job, number) =>
    coordinator.enqueue({
      script: [
        `echo run >>"${ledger}/${number}"`,
        'for line in $(seq 1 8); do echo "line $line of eight"; sleep 0.5; done',
      ],
    }),
  )
  await until(() => jobs.every((_job, number) => existsSync(join(ledger, String(number)))))

  first.process.kill('SIGUSR2')
  expect(await first.ended, first.stderr).toBe(3)
  const said = first.stderr.trim().split('\n').at(-1)!
  expect(JSON.parse(said)).toMatchObject({
    level: 'error',
    error: { message: 'boom' },
    msg: 'unexpected error: the process ends, the next start resumes its jobs',
  })
  expect(jobs.map(({ state }) => state)).toEqual(jobs.map(() => 'running'))

  const second = managers.start()
  await Promise.race([Promise.all(jobs.map(({ finished }) => finished)), second.ended])
  expect(
    jobs.map(({ state }) => state),
    second.stderr,
  ).toEqual(jobs.map(() => 'success'))
  jobs.forEach(({ trace }, number) => {
    expect(readFileSync(join(ledger, String(number)), 'utf8')).toBe('run\n')
    expect(trace.text().match(/^line \d of eight$/gm)).toEqual(
      Array.from({ length: 8 }, (_line, index) => `line ${index + 1} of eight`),
    )
  })
})
