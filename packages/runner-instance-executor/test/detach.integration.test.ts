import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { createInstanceGroup as createStaticGroup } from '@runner-core/fleeting-plugin-static'
import { JobError } from '@runner-core/job'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ExecutorFleet, type FleetOptions } from './executor-fleet.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: detached jobs on OpenSSH: ${missing}`)

let sshd: Sshd | undefined
beforeAll(async () => {
  if (missing === undefined) sshd = await startSshd()
})
afterAll(() => sshd?.stop())

let builds: string
let fleet: ExecutorFleet
let sleeps: string[]
beforeEach(() => {
  builds = mkdtempSync(join(tmpdir(), 'runner-core-detach-'))
  sleeps = []
})
afterEach(async () => {
  await fleet[Symbol.asyncDispose]()
  rmSync(builds, { recursive: true, force: true })
  for (const pid of sleeps.flatMap(processesWith)) process.kill(pid, 'SIGKILL')
})

const local = (): FleetOptions => ({
  createInstanceGroup: createLocalGroup,
  pluginConfig: (directory) => ({ root_dir: directory, shell: '/bin/bash' }),
})
const openssh = (): FleetOptions => ({
  createInstanceGroup: createStaticGroup,
  pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${sshd!.port}`, host_key: sshd!.hostKey } } }),
  connector: { timeoutMs: 10_000, username: sshd!.username, privateKey: sshd!.privateKey },
})

/** A command that can be found again. */
function sleep(): string {
  const id = uniqueSleep()
  sleeps.push(id)
  return `sleep ${id}`
}

const files = (): string[] => readdirSync(join(builds, '.detached'))

/** Prints lines `1` to `count`, with a pause after each. */
const counting = (count: number, pause = 0.05): string =>
  `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i"; sleep ${pause}; done`
const lines = (trace: string): number[] => [...trace.matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const machines = [
  { name: 'the plugin local', optionsOf: local },
  ...(missing === undefined ? [{ name: 'OpenSSH', optionsOf: openssh }] : []),
]
const shells = ['bash', 'sh'] as const

describe.each(machines.flatMap((machine) => shells.map((shell) => ({ ...machine, shell }))))(
  'on machines of $name, in $shell',
  ({ optionsOf, shell }) => {
    const start = async (options: Partial<FleetOptions> = {}, reconnectGraceMs = 30_000): Promise<void> => {
      const detach = { limitBytes: 4_000_000, reconnectGraceMs }
      fleet = await ExecutorFleet.start({
        ...optionsOf(),
        maxInstances: 1,
        ...options,
        executor: { detach, shell, buildsDir: builds },
      })
    }
    /** Runs a job and calls `act` when its trace holds `text`. */
    const runUntil = (text: string, act: () => void, job: ReturnType<typeof payload>, abort?: AbortSignal) => {
      let isDone = false
      return fleet.run(job, {
        ...(abort !== undefined && { abort }),
        onOutput: (trace) => {
          if (isDone || !trace.includes(text)) return
          isDone = true
          act()
        },
      })
    }

    test('a job runs as it would without', async () => {
      await start()
      const { outcome, trace } = await fleet.run(
        payload({ script: ['echo out; echo err >&2', 'exit 5'], afterScript: ['echo after'] }),
      )
      expect(outcome).toMatchObject({ state: 'failed', exitCode: 5 })
      expect(trace).toContain('\nout\nerr\n$ exit 5\n')
      expect(trace).toContain('\nafter\n')
      expect(files().filter((name) => name.endsWith('.out'))).toHaveLength(1)
      await fleet.executor.sweepsEnded()
      expect(files()).toEqual([])
    })

    test.each([0, 7])(
      'its connection is cut, again and again: each line once and in order, and it exits with %i',
      async (code) => {
        await start()
        let cuts = 0
        const { outcome, trace } = await fleet.run(payload({ script: [counting(60), `exit ${code}`] }), {
          onOutput: (soFar) => {
            if (cuts >= 3 || !soFar.includes(`\nline ${(cuts + 1) * 15}\n`)) return
            cuts++
            fleet.cut()
          },
        })
        expect(cuts).toBe(3)
        expect(lines(trace)).toEqual(upTo(60))
        expect(outcome).toMatchObject(code === 0 ? { state: 'success' } : { state: 'failed', exitCode: code })
        expect(fleet.dials).toBe(4)
      },
    )

    test('it ends while its machine is out of reach: all of it is there afterwards', async () => {
      await start()
      const { outcome, trace } = await runUntil(
        '\nline 1\n',
        () => fleet.goAway(1500),
        payload({ script: [counting(8)], afterScript: ['echo after'] }),
      )
      expect(lines(trace)).toEqual(upTo(8))
      expect(trace).toContain('\nafter\n')
      expect(outcome).toEqual({ state: 'success' })
    })

    test('a machine that stays away: a system failure after the grace, and what it left is ended when it is back', async () => {
      await start({}, 700)
      const script = [`echo going on; ${sleep()}`]
      const lost = await runUntil('\ngoing on\n', () => fleet.goAway(2500), payload({ script }))
      expect(lost.outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_lost' })
      expect(lost.trace).toMatch(/was lost: SSH connection lost: .+; it could not be reached again within 0\.7 s\n$/)
      await expect.poll(() => sleeps.flatMap(processesWith), { timeout: 20_000 }).toEqual([])
    })

    test('stopped while out of reach: it is ended as soon as the machine is back', async () => {
      await start()
      const stop = new AbortController()
      const script = [`setsid ${sleep()} & echo going on; ${sleep()}`]
      const away = (): void => {
        fleet.goAway(1000)
        setTimeout(() => stop.abort(new JobError('canceled', 'job_canceled', 'canceled')), 200)
      }
      const stopped = await runUntil('\ngoing on\n', away, payload({ script }), stop.signal)
      expect(stopped.outcome).toMatchObject({ state: 'failed', code: 'canceled' })
      expect(sleeps.flatMap(processesWith)).toEqual([])
    })

    test('the shell is killed while out of reach: that is no success', async () => {
      await start()
      const script = ['echo going on; sleep 0.3; kill -9 $$']
      const { outcome } = await runUntil('\ngoing on\n', () => fleet.goAway(1000), payload({ script }))
      expect(outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 137 })
    })

    test('it prints more than its machine keeps while out of reach: that is said, and its end is known', async () => {
      await start()
      const script = ['echo going on; sleep 0.3; head -c 6000000 /dev/zero | tr "\\0" x; exit 9']
      const { outcome, trace } = await runUntil('\ngoing on\n', () => fleet.goAway(1500), payload({ script }))
      expect(outcome).toMatchObject({ state: 'failed', exitCode: 9 })
      expect(trace).toContain('Output was lost: the instance keeps only a limited amount')
      expect(trace.length).toBeGreaterThan(3_900_000)
      expect(trace.length).toBeLessThan(4_100_000)
    })

    const relays = (): number[] => processesWith(join(builds, '.detached'))
    const detachedFiles = (end: string): string[] => files().filter((name) => name.endsWith(end))

    test('jobs that follow each other share what passes their output on, and nothing of one is left for the next', async () => {
      await start()
      await fleet.run(payload({ script: ['echo first'] }))
      const [relay] = detachedFiles('.out')
      const { trace } = await fleet.run(payload({ script: ['echo second; echo $$'], afterScript: ['echo after'] }))
      expect(detachedFiles('.out')).toEqual([relay])
      expect(readFileSync(join(builds, '.detached', relay!), 'latin1')).not.toContain('first')
      expect(trace).toContain('second\n')
      expect(trace).not.toContain('first')
    })

    test('a job that leaves something that prints: the next one hears nothing of it', async () => {
      await start()
      const id = uniqueSleep()
      sleeps.push(id)
      await fleet.run(
        payload({
          script: [`setsid sh -c 'trap "" TERM; while :; do echo stray; sleep 0.01; done # ${id}' & echo first`],
        }),
      )
      const [relay] = detachedFiles('.out')
      const { outcome, trace } = await fleet.run(payload({ script: ['sleep 0.2; echo second'] }))
      expect(outcome).toEqual({ state: 'success' })
      expect(trace).not.toContain('stray')
      expect(detachedFiles('.out')).not.toContain(relay)
    })

    test('a job that leaves something that is silent: what passed its output on serves no other', async () => {
      await start()
      await fleet.run(payload({ script: [`setsid ${sleep()} & echo first`] }))
      const [relay] = detachedFiles('.out')
      await fleet.run(payload({ script: ['echo second'] }))
      expect(relay).toBeDefined()
      expect(detachedFiles('.out')).not.toContain(relay)
    })

    test('what passes the output on is killed under a job: that is a system failure, and the next job has another', async () => {
      await start()
      const kill = (): void => {
        expect(relays()).not.toEqual([])
        for (const pid of relays()) process.kill(pid, 'SIGKILL')
      }
      const { outcome } = await runUntil('\ngoing on\n', kill, payload({ script: [`echo going on; ${sleep()}`] }))
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
      expect(sleeps.flatMap(processesWith)).toEqual([])
      expect((await fleet.run(payload({ script: ['echo ok'] }))).outcome).toEqual({ state: 'success' })
    })

    test('30 MB while connected: none is lost, and no more than the limit is kept', async () => {
      await start()
      const script = ['head -c 30000000 /dev/zero | tr "\\0" x; echo end']
      const { outcome, trace } = await fleet.run(payload({ script }))
      expect(outcome).toEqual({ state: 'success' })
      expect(/x+/.exec(trace.slice(trace.indexOf('xxxx')))![0]).toHaveLength(30_000_000)
    })
  },
)

test.skipIf(missing !== undefined)(
  'a connection that hangs under a script that prints: it is given up, what it held up goes on, and nothing is lost',
  async () => {
    const options = openssh()
    fleet = await ExecutorFleet.start({
      ...options,
      maxInstances: 1,
      connector: { ...options.connector, keepaliveMs: 200 },
      executor: { detach: { limitBytes: 4_000_000, reconnectGraceMs: 30_000 }, buildsDir: builds },
    })
    let hung: number[] = []
    const script = ['echo going on; sleep 0.3; head -c 3000000 /dev/zero | tr "\\0" x; echo end']
    const { outcome, trace } = await fleet.run(payload({ script }), {
      onOutput: (soFar) => {
        if (hung.length > 0 || !soFar.includes('\ngoing on\n')) return
        hung = sshd!.connectionPids()
        for (const pid of hung) process.kill(pid, 'SIGSTOP')
      },
    })
    for (const pid of hung) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It was ended with its connection.
      }
    }
    expect(outcome).toEqual({ state: 'success' })
    expect(/x+/.exec(trace.slice(trace.indexOf('xxxx')))![0]).toHaveLength(3_000_000)
    expect(trace).toContain('xend\n')
  },
)
