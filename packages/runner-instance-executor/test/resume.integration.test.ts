import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import { type JobCheckpoint, JobError, type JobPayload, Trace } from '@runner-core/job'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ExecutorFleet, type JobHooks } from './executor-fleet.ts'
import type { FirstManager } from './first-manager.fixture.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs that outlive their manager: ${missing}`)

interface Kept {
  readonly checkpoint: JobCheckpoint
  readonly trace: string
}

describe.skipIf(missing !== undefined).each(['bash', 'sh'] as const)(
  'a job whose manager was killed, in %s',
  (shell) => {
    const secret = 'a-secret-of-the-job'
    let sshd: Sshd
    let home: string
    let directory: string
    let fleet: ExecutorFleet | undefined
    let first: ChildProcess
    beforeAll(async () => {
      home = mkdtempSync(join(tmpdir(), 'runner-core-home-'))
      // The first line counts; `SHLVL` as the server's own.
      sshd = await startSshd({ config: [`SetEnv HOME=${home} TMPDIR=${home} SHLVL=1`] })
    })
    afterAll(async () => {
      await sshd.stop()
      rmSync(home, { recursive: true, force: true })
    })
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
    /** Files of the machine that hold the secret, the job's script among them. */
    const left = (): string[] =>
      [builds(), home].flatMap((top) =>
        readdirSync(top, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .filter((file) => readFileSync(file, 'latin1').includes(secret)),
      )
    /** Waits until the job's first script has come to its end, although nobody listens. */
    const scriptEnded = (): Promise<void> =>
      expect.poll(() => readFileSync(pidFile(), 'latin1'), { timeout: 20_000 }).toMatch(/\n\d+ (un)?swept/)
    const pidFile = (): string =>
      join(builds(), '.detached', readdirSync(join(builds(), '.detached')).find((name) => name.endsWith('.0.pid'))!)

    /** Runs a job in another process until its log holds `text`, and kills that. */
    async function killedAt(text: string, job: JobPayload): Promise<Kept> {
      const { port, hostKey, username, privateKey } = sshd
      const config: FirstManager = {
        job,
        secrets: [secret],
        port,
        hostKey,
        username,
        privateKey,
        builds: builds(),
        shell,
        directory,
      }
      writeFileSync(join(directory, 'config'), JSON.stringify(config))
      const fixture = fileURLToPath(new URL('first-manager.fixture.ts', import.meta.url))
      first = spawn(process.execPath, ['--conditions=@runner-core/source', fixture, join(directory, 'config')], {
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      const gone = new Promise((resolve) => first.once('exit', resolve))
      const kept = (): Kept => JSON.parse(readFileSync(join(directory, 'kept'), 'utf8')) as Kept
      await expect.poll(() => kept().trace, { timeout: 60_000 }).toContain(text)
      first.kill('SIGKILL')
      await gone
      return kept()
    }

    /** Goes on with a job, or runs one that nobody left. */
    async function resume(
      kept: Kept | undefined,
      job: JobPayload,
      hooks: JobHooks = {},
    ): Promise<{ outcome: object; log: string }> {
      const { port, hostKey, username, privateKey } = sshd
      fleet = await ExecutorFleet.start({
        createInstanceGroup,
        pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${port}`, host_key: hostKey } } }),
        connector: { username, privateKey, timeoutMs: 10_000 },
        maxInstances: 1,
        executor: { detach: { limitBytes: 4_000_000, reconnectGraceMs: 5_000 }, shell, buildsDir: builds() },
      })
      const log = new Trace({ secrets: [secret] })
      const { outcome } = await fleet.run(job, {
        log,
        ...(kept !== undefined && { resume: kept.checkpoint }),
        ...hooks,
      })
      log.end()
      const text = Buffer.from(await log.read(0, log.size)).toString('latin1')
      await log.close()
      await fleet.executor.sweepsEnded()
      expect(readdirSync(join(builds(), '.detached'))).toEqual([])
      expect(left()).toEqual([])
      return { outcome, log: text }
    }

    const counting = (count: number): string =>
      `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i $SECRET"; sleep 0.05; done`
    const lines = (log: string): number[] =>
      [...log.matchAll(/^line (\d+) \[MASKED\]$/gm)].map(([, number]) => Number(number))
    const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
    const variables = [variable('SECRET', secret, { masked: true }), variable('A_FILE', 'content', { file: true })]
    const overrides = { features: { trace_sections: true, token_mask_prefixes: [], failure_reasons: [] } }

    test.each([0, 7])(
      'goes on: the log is the same up to where it was known, each line is there once and in order, and it exits with %i',
      async (code) => {
        const job = payload({
          script: [counting(40), `exit ${code}`],
          afterScript: ['echo "after $CI_JOB_STATUS"'],
          variables,
          overrides,
        })
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
      const job = payload({
        script: ['echo "once $SECRET"', 'exit 3'],
        afterScript: [counting(30)],
        variables,
        overrides,
      })
      const kept = await killedAt('line 10 ', job)
      const { outcome, log } = await resume(kept, job)
      expect(log.slice(0, kept.trace.length)).toBe(kept.trace)
      expect(log.match(/^once \[MASKED\]$/gm)).toHaveLength(1)
      expect(lines(log)).toEqual(upTo(30))
      expect(outcome).toMatchObject({ state: 'failed', exitCode: 3 })
    })

    test('sections that began and ended while nobody listened have the times at which they did', async () => {
      const at = (word: string): string => `echo "${word} at $(date +%s)"`
      const { steps, ...rest } = payload({ script: ['echo "going on"; sleep 1.2', at('script')], variables, overrides })
      const job = {
        ...rest,
        steps: [...steps, { ...steps[0]!, name: 'release', script: [at('release'), 'sleep 1.2', at('end')] }],
      }
      const kept = await killedAt('\ngoing on\n', job)
      await scriptEnded()
      const endedAt = Date.now()
      await expect.poll(() => Date.now() - endedAt, { timeout: 10_000 }).toBeGreaterThan(3000)
      const { outcome, log } = await resume(kept, job)
      expect(outcome).toEqual({ state: 'success' })
      const seconds = (pattern: RegExp): number => Number(pattern.exec(log)![1])
      // The machine's clock is this one, up to the time that it takes to start a shell.
      const isAbout = (section: RegExp, said: RegExp): void =>
        expect(Math.abs(seconds(section) - seconds(said))).toBeLessThanOrEqual(1)
      isAbout(/section_end:(\d+):step_script/, /^script at (\d+)$/m)
      isAbout(/section_start:(\d+):step_release/, /^release at (\d+)$/m)
      isAbout(/section_end:(\d+):step_release/, /^end at (\d+)$/m)
    })

    test('that nobody goes on with: what it printed is its user’s alone, and a day later gone with the next job', async () => {
      const job = payload({
        script: ['echo "going on"; echo "$SECRET"; cat "$A_FILE"'],
        variables: [...variables, variable('B_FILE', secret, { file: true })],
      })
      await killedAt('\ngoing on\n', job)
      await scriptEnded()
      const detached = join(builds(), '.detached')
      const ofOutput = left()
      expect(ofOutput.map((file) => file.replace(/.*\./, ''))).toEqual(['out'])
      expect(statSync(detached).mode & 0o777).toBe(0o700)
      expect(statSync(ofOutput[0]!).mode & 0o777).toBe(0o600)
      const longAgo = Date.now() / 1000 - 25 * 3600
      for (const name of readdirSync(detached)) utimesSync(join(detached, name), longAgo, longAgo)
      const { outcome } = await resume(undefined, payload())
      expect(outcome).toEqual({ state: 'success' })
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

    test('that was canceled meanwhile is stopped only when its log is again what it was', async () => {
      const id = uniqueSleep()
      const job = payload({ script: [counting(20), `echo "going on"; sleep ${id}`], variables, overrides })
      const kept = await killedAt('\ngoing on\n', job)
      const { outcome, log } = await resume(kept, job, {
        abort: AbortSignal.abort(new JobError('canceled', 'job_canceled', 'canceled')),
      })
      expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
      expect(log.slice(0, kept.trace.length)).toBe(kept.trace)
      expect(lines(log)).toEqual(upTo(20))
      expect(processesWith(id)).toEqual([])
    })

    test('its time limit counts what passed while nobody looked, also where the clock was set back meanwhile', async () => {
      const id = uniqueSleep()
      const job = payload({ script: [`echo "going on"; sleep ${id}`], overrides: { timeout_seconds: 8 } })
      const kept = await killedAt('\ngoing on\n', job)
      const { checkpoint } = kept
      const later = (time: number): number => time + 3_600_000
      const scripts = checkpoint.scripts.map((script) => ({ ...script, startedAt: later(script.startedAt) }))
      const { outcome } = await resume(
        { ...kept, checkpoint: { ...checkpoint, startedAt: later(checkpoint.startedAt), scripts } },
        job,
      )
      expect(outcome).toMatchObject({ state: 'failed', code: 'timeout' })
      expect(processesWith(id)).toEqual([])
    })

    test('its time limit counts from its begin', async () => {
      const id = uniqueSleep()
      const job = payload({ script: [`echo "going on"; sleep ${id}`], overrides: { timeout_seconds: 3600 } })
      const kept = await killedAt('\ngoing on\n', job)
      const { checkpoint } = kept
      const scripts = checkpoint.scripts.map((script) => ({ ...script, elapsedMs: script.elapsedMs! + 3_600_000 }))
      const { outcome } = await resume({ ...kept, checkpoint: { ...checkpoint, scripts } }, job)
      expect(outcome).toMatchObject({ state: 'failed', code: 'timeout' })
      expect(processesWith(id)).toEqual([])
    })
  },
)
