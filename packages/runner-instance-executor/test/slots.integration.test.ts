// What a manager that was killed left running on a host that outlives it.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import type { JobCheckpoint } from '@runner-core/job'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SlotClaimsOptions } from '../src/index.ts'
import { ExecutorFleet, type FleetOptions } from './executor-fleet.ts'
import type { FirstManager } from './first-manager.fixture.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: slots of killed managers: ${missing}`)

const cases = [
  { shell: 'bash', isDetached: true },
  { shell: 'sh', isDetached: true },
  { shell: 'bash', isDetached: false },
] as const

interface Kept {
  readonly checkpoint: JobCheckpoint
}

describe.skipIf(missing !== undefined).each(cases)(
  'after a manager without state was killed ($shell, detached: $isDetached)',
  (options) => {
    const { shell, isDetached } = options
    let sshd: Sshd
    let directory: string
    let fleet: ExecutorFleet | undefined
    let first: ChildProcess
    let id: string
    beforeAll(async () => {
      sshd = await startSshd()
    })
    afterAll(() => sshd?.stop())
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'runner-core-slots-'))
      id = uniqueSleep()
    })
    afterEach(async () => {
      first.kill('SIGKILL')
      await fleet?.[Symbol.asyncDispose]()
      fleet = undefined
      for (const pid of processesWith(id)) process.kill(pid, 'SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    })
    const builds = (): string => join(directory, 'builds')
    const claims: SlotClaimsOptions = { identity: 'token', manager: 'manager', isExclusive: false }
    const executor = () => ({
      ...(isDetached && { detach: { limitBytes: 4_000_000, reconnectGraceMs: 5_000 } }),
      shell,
      buildsDir: builds(),
      acquireTimeoutMs: 30_000,
    })
    const startFleet = async (given: SlotClaimsOptions, others: Partial<FleetOptions> = {}): Promise<ExecutorFleet> => {
      const { port, hostKey, username, privateKey } = sshd
      fleet = await ExecutorFleet.start({
        createInstanceGroup,
        pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${port}`, host_key: hostKey } } }),
        connector: { username, privateKey, timeoutMs: 10_000 },
        maxInstances: 1,
        claims: given,
        executor: executor(),
        ...others,
      })
      return fleet
    }

    /** A job under way in another process, which lists itself on the machine as long as it lives. */
    const under = (): string => `trap 'echo over' TERM; echo going on; : ${id}; while :; do sleep ${id}; done`
    async function firstManager(isKilled = true, script = under()): Promise<Kept> {
      const { port, hostKey, username, privateKey } = sshd
      const config: FirstManager = {
        job: payload({ script: [script] }),
        secrets: [],
        port,
        hostKey,
        username,
        privateKey,
        builds: builds(),
        shell,
        directory,
        claims,
        detach: isDetached,
      }
      writeFileSync(join(directory, 'config'), JSON.stringify(config))
      const fixture = fileURLToPath(new URL('first-manager.fixture.ts', import.meta.url))
      first = spawn(process.execPath, ['--conditions=@runner-core/source', fixture, join(directory, 'config')], {
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      const kept = join(directory, 'kept')
      await expect
        .poll(() => existsSync(kept) && readFileSync(kept, 'utf8'), { timeout: 40_000 })
        .toContain('\\ngoing on\\n')
      if (!isKilled) return JSON.parse(readFileSync(kept, 'utf8')) as Kept
      const gone = new Promise((resolve) => first.once('exit', resolve))
      first.kill('SIGKILL')
      await gone
      return JSON.parse(readFileSync(kept, 'utf8')) as Kept
    }
    const claimed = (): string[] =>
      readdirSync(join(builds(), '.detached'))
        .filter((name) => name.startsWith('slot.'))
        .map((name) => readFileSync(join(builds(), '.detached', name), 'latin1'))

    test('its script is ended before the next manager lends the slot', async () => {
      await firstManager()
      expect(processesWith(id)).not.toEqual([])
      const machines = await startFleet(claims)
      const seen = join(directory, 'seen')
      // What of the other job lives while this one runs, as the machine has it.
      const look = `{ grep -lsF ${id} /proc/[0-9]*/cmdline || :; } | while read -r f; do tr '\\0' ' ' <$f; done >${seen}`
      const { outcome } = await machines.run(
        payload({ script: ['echo second', look.replace(id, `${id.slice(0, 2)}""${id.slice(2)}`)] }),
      )
      expect(outcome).toEqual({ state: 'success' })
      expect(readFileSync(seen, 'utf8')).toBe('')
      expect(processesWith(id)).toEqual([])
      await machines.executor.sweepsEnded()
      expect(claimed()).toEqual([expect.stringMatching(/^-\n/)])
    })

    test.runIf(shell === 'bash' && isDetached)(
      'what is another manager’s is not ended: the host serves no job, and the reason is told',
      async () => {
        await firstManager()
        const machines = await startFleet({ ...claims, manager: 'another' })
        const { outcome, trace } = await machines.run(payload({ script: ['echo second'] }))
        expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
        expect(trace).not.toContain('\nsecond\n')
        expect(trace + JSON.stringify(outcome)).toMatch(/slot 0 is held by job [0-9a-f]+ of another manager/)
        expect(processesWith(id)).not.toEqual([])
      },
    )

    test.runIf(isDetached)('the script of a job that goes on is not ended, nor is its slot lent', async () => {
      const go = join(directory, 'go')
      const script = `echo going on; while [ ! -e ${go} ]; do sleep 0.1; done; echo went on`
      const { checkpoint } = await firstManager(true, script)
      const [held] = claimed()
      expect(held).not.toMatch(/^-/)
      const machines = await startFleet(claims, { isLent: (slot) => slot === 0 })
      const { outcome, trace } = await machines.run(payload({ script: [script] }), {
        resume: checkpoint,
        onOutput: (soFar) => {
          if (!soFar.includes('\ngoing on\n') || existsSync(go)) return
          expect(claimed()).toEqual([held])
          writeFileSync(go, '')
        },
      })
      expect(trace).toContain('\nwent on\n')
      expect(outcome).toEqual({ state: 'success' })
      await machines.executor.sweepsEnded()
      expect(claimed()).toEqual([expect.stringMatching(/^-\n/)])
    })

    test('two slots of a host are held each by its own job: what one holds keeps nobody from the other', async () => {
      await firstManager()
      const machines = await startFleet(claims, { isSwept: false, capacityPerInstance: 2 })
      const results = await Promise.all([1, 2].map(() => machines.run(payload({ script: ['echo second'] }))))
      const bySlot = (slot: number) =>
        results.find(({ trace }) => new RegExp(`Using instance a#1, slot ${slot}$`, 'm').test(trace))!
      expect(bySlot(1).outcome).toEqual({ state: 'success' })
      expect(bySlot(1).trace).toContain('\nsecond\n')
      expect(bySlot(0).trace).toMatch(/slot 0: processes of another job \([0-9a-f]+\) may be running there/)
      expect(processesWith(id)).not.toEqual([])
    })

    test('without that, a script refuses to start beside it, and the job says so', async () => {
      await firstManager()
      const machines = await startFleet(claims, { isSwept: false })
      const { outcome, trace } = await machines.run(payload({ script: ['echo second'] }))
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'machine_occupied' })
      expect(trace).not.toContain('\nsecond\n')
      expect(trace).toMatch(/instance a#1, slot 0: processes of another job \([0-9a-f]+\) may be running there/)
    })

    test.runIf(shell === 'bash' && isDetached)('what a living manager runs is not ended', async () => {
      await firstManager(false)
      const machines = await startFleet(claims)
      const { outcome, trace } = await machines.run(payload({ script: ['echo second'] }))
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
      expect(trace).not.toContain('\nsecond\n')
      expect(processesWith(id)).not.toEqual([])
    })
  },
)

test.skipIf(missing !== undefined)(
  'a host whose job could not be ended is lent again only when that is ended',
  async () => {
    const sshd = await startSshd()
    const builds = mkdtempSync(join(tmpdir(), 'runner-core-slots-'))
    const id = uniqueSleep()
    const fleet = await ExecutorFleet.start({
      createInstanceGroup,
      pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${sshd.port}`, host_key: sshd.hostKey } } }),
      connector: { username: sshd.username, privateKey: sshd.privateKey, timeoutMs: 10_000 },
      maxInstances: 1,
      claims: { identity: 'token', manager: 'manager', isExclusive: false },
      executor: {
        detach: { limitBytes: 4_000_000, reconnectGraceMs: 500 },
        buildsDir: builds,
        acquireTimeoutMs: 60_000,
      },
    })
    try {
      let isAway = false
      const lost = await fleet.run(payload({ script: [`echo going on; sleep ${id}`] }), {
        onOutput: (trace) => {
          if (isAway || !trace.includes('\ngoing on\n')) return
          isAway = true
          // Longer than the executor tries to end what it gave up.
          fleet.goAway(17_000)
        },
      })
      expect(lost.outcome).toMatchObject({ code: 'environment_lost' })
      expect(processesWith(id)).not.toEqual([])
      const script = [
        `if grep -lsF ${id.slice(0, 2)}""${id.slice(2)} /proc/[0-9]*/cmdline; then echo beside; else echo alone; fi`,
      ]
      const { outcome, trace } = await fleet.run(payload({ script }))
      expect(trace).toContain('\nalone\n')
      expect(trace).toMatch(/Using instance a#[2-9]/)
      expect(outcome).toEqual({ state: 'success' })
      expect(processesWith(id)).toEqual([])
    } finally {
      await fleet[Symbol.asyncDispose]()
      for (const pid of processesWith(id)) process.kill(pid, 'SIGKILL')
      await sshd.stop()
      rmSync(builds, { recursive: true, force: true })
    }
  },
)

test.skipIf(missing !== undefined)(
  'a host with less than min_free_space serves no job, and the reason is told',
  async () => {
    const sshd = await startSshd()
    const builds = mkdtempSync(join(tmpdir(), 'runner-core-slots-'))
    const fleet = await ExecutorFleet.start({
      createInstanceGroup,
      pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${sshd.port}`, host_key: sshd.hostKey } } }),
      connector: { username: sshd.username, privateKey: sshd.privateKey, timeoutMs: 10_000 },
      maxInstances: 1,
      claims: { identity: 'token', manager: 'manager', isExclusive: false },
      executor: { buildsDir: builds, acquireTimeoutMs: 15_000, minFreeBytes: 2 ** 50 },
    })
    try {
      const { outcome, trace } = await fleet.run(payload({ script: ['echo ran'] }))
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
      expect(trace).not.toContain('\nran\n')
      expect(trace + JSON.stringify(outcome)).toMatch(/\d+ MB free in \S+, min_free_space is 1073741824 MB/)
    } finally {
      await fleet[Symbol.asyncDispose]()
      await sshd.stop()
      rmSync(builds, { recursive: true, force: true })
    }
  },
)
