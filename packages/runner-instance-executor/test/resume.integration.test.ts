import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type JobCheckpoint, JobError, type JobPayload, Trace } from '@runner-core/job'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Sshd, sshdMissing, startSshd } from '../../fleeting/test/openssh-server.ts'
import { createInstanceGroup } from '../../fleeting-plugin-static/src/index.ts'
import { payload, variable } from '../../job/test/job-fixture.ts'
import { processesWith, uniqueSleep } from '../../job/test/running-processes.ts'
import { ExecutorFleet, type JobHooks } from './executor-fleet.ts'
import type { FirstManager } from './first-manager.fixture.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs that outlive their manager: ${missing}`)

interface Kept {
  readonly checkpoint: JobCheckpoint
  readonly trace: string
}

describe.skipIf(missing !== undefined).each(['bash', 'sh'] as const)('a job whose manager was killed, in %s', (shell) => {
  const secret = 'a-secret-of-the-job'
  let sshd: Sshd
  let directory: string
  let fleet: ExecutorFleet | undefined
  let first: ChildProcess
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd.stop())
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'runner-core-resume-'))
  })
  afterEach(async () => {
    first.kill('SIGKILL')
    await fleet?.[Symbol.asyncDispose]()
    fleet = undefined
    rmSync(directory, { recursive: true, force: true })
  })
  const builds = (): string => join(directory, 'builds')

  /** Runs a job in another process until its log holds `text`, and kills that. */
  async function killedAt(text: string, job: JobPayload): Promise<Kept> {
    const { port, hostKey, username, privateKey } = sshd
    const config: FirstManager = { job, secrets: [secret], port, hostKey, username, privateKey, builds: builds(), shell, directory }
    writeFileSync(join(directory, 'config'), JSON.stringify(config))
    const fixture = fileURLToPath(new URL('first-manager.fixture.ts', import.meta.url))
    first = spawn(process.execPath, ['--conditions=@runner-core/source', fixture, join(directory, 'config')], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const gone = new Promise((resolve) => first.once('exit', resolve))
    const kept = (): Kept => JSON.parse(readFileSync(join(directory, 'kept'), 'utf8')) as Kept
    await expect.poll(() => kept().trace, { timeout: 20_000 }).toContain(text)
    first.kill('SIGKILL')
    await gone
    return kept()
  }

  async function resume({ checkpoint }: Kept, job: JobPayload, hooks: JobHooks = {}): Promise<{ outcome: object; log: string }> {
    const { port, hostKey, username, privateKey } = sshd
    fleet = await ExecutorFleet.start({
      createInstanceGroup,
      pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${port}`, host_key: hostKey } } }),
      connector: { username, privateKey },
      maxInstances: 1,
      executor: { detach: { limitBytes: 4_000_000, reconnectGraceMs: 5_000 }, shell, buildsDir: builds() },
    })
    const log = new Trace({ secrets: [secret] })
    const { outcome } = await fleet.run(job, { log, resume: checkpoint, ...hooks })
    log.end()
    const text = Buffer.from(await log.read(0, log.size)).toString('latin1')
    await log.close()
    await fleet.executor.sweepsEnded()
    expect(readdirSync(join(builds(), '.detached'))).toEqual([])
    return { outcome, log: text }
  }

  const counting = (count: number): string => `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i $SECRET"; sleep 0.05; done`
  const lines = (log: string): number[] => [...log.matchAll(/^line (\d+) \[MASKED\]$/gm)].map(([, number]) => Number(number))
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
  const variables = [variable('SECRET', secret, { masked: true }), variable('A_FILE', 'content', { file: true })]
  const overrides = { features: { trace_sections: true, token_mask_prefixes: [], failure_reasons: [] } }

  test.each([0, 7])(
    'goes on: the log is the same up to where it was known, each line is there once and in order, and it exits with %i',
    async (code) => {
      const job = payload({ script: [counting(40), `exit ${code}`], afterScript: ['echo "after $CI_JOB_STATUS"'], variables, overrides })
      const kept = await killedAt('line 15 ', job)
      const { outcome, log } = await resume(kept, job)
      expect(log.slice(0, kept.trace.length)).toBe(kept.trace)
      expect(lines(log)).toEqual(upTo(40))
      expect(log).not.toContain(secret)
      expect(log.match(/after (success|failed)\n/g)).toEqual([code === 0 ? 'after success\n' : 'after failed\n'])
      expect(log.match(/section_start:\d+:(\w+)/g)!.map((mark) => mark.split(':')[2])).toEqual([
        'prepare_executor',
        'prepare_script',
        'get_sources',
        'step_script',
        'after_script',
      ])
      expect(outcome).toMatchObject(code === 0 ? { state: 'success' } : { state: 'failed', exitCode: 7 })
    },
  )

  test('under its after_script: what came before is not run again', async () => {
    const job = payload({ script: ['echo "once $SECRET"', 'exit 3'], afterScript: [counting(30)], variables, overrides })
    const kept = await killedAt('line 10 ', job)
    const { outcome, log } = await resume(kept, job)
    expect(log.slice(0, kept.trace.length)).toBe(kept.trace)
    expect(log.match(/^once \[MASKED\]$/gm)).toHaveLength(1)
    expect(lines(log)).toEqual(upTo(30))
    expect(outcome).toMatchObject({ state: 'failed', exitCode: 3 })
  })

  test('can be stopped: nothing of it is left', async () => {
    const id = uniqueSleep()
    const job = payload({ script: [`setsid sleep ${id} & echo "going on"; sleep ${id}`] })
    const kept = await killedAt('\ngoing on\n', job)
    expect(processesWith(id)).not.toEqual([])
    const stop = new AbortController()
    const onOutput = (trace: string): void => {
      if (trace.includes('\ngoing on\n')) stop.abort(new JobError('canceled', 'job_canceled', 'canceled'))
    }
    const { outcome } = await resume(kept, job, { abort: stop.signal, onOutput })
    expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
    expect(processesWith(id)).toEqual([])
  })

  test('its time limit counts from its begin', async () => {
    const id = uniqueSleep()
    const job = payload({ script: [`echo "going on"; sleep ${id}`], overrides: { timeout_seconds: 3600 } })
    const kept = await killedAt('\ngoing on\n', job)
    const earlier = { ...kept, checkpoint: { ...kept.checkpoint, startedAt: kept.checkpoint.startedAt - 3_600_000 } }
    const { outcome } = await resume(earlier, job)
    expect(outcome).toMatchObject({ state: 'failed', code: 'timeout' })
    expect(processesWith(id)).toEqual([])
  })
})
