// Machines whose disk is full, made with small file systems.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInstanceGroup as createStaticGroup } from '@runner-core/fleeting-plugin-static'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { SmallDisk, smallDiskMissing } from '@runner-core/testkit/machine/small-disk'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ExecutorFleet } from './executor-fleet.ts'

const missing = smallDiskMissing() ?? sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: machines whose disk is full: ${missing}`)

describe.skipIf(missing !== undefined).each(['bash', 'sh'] as const)('a machine whose disk is full, in %s', (shell) => {
  let sshd: Sshd
  let directory: string
  let disk: SmallDisk
  let fleet: ExecutorFleet | undefined
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd?.stop())
  afterEach(async () => {
    await fleet?.[Symbol.asyncDispose]()
    fleet = undefined
    disk?.[Symbol.dispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  const start = async (detach = true): Promise<ExecutorFleet> => {
    directory = mkdtempSync(join(tmpdir(), 'runner-core-full-disk-'))
    disk = new SmallDisk(join(directory, 'builds'), '256k')
    fleet = await ExecutorFleet.start({
      createInstanceGroup: createStaticGroup,
      pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${sshd.port}`, host_key: sshd.hostKey } } }),
      connector: { username: sshd.username, privateKey: sshd.privateKey, timeoutMs: 10_000 },
      maxInstances: 1,
      executor: {
        ...(detach && { detach: { limitBytes: 4_000_000, reconnectGraceMs: 5_000 } }),
        shell,
        buildsDir: disk.directory,
        acquireTimeoutMs: 10_000,
      },
    })
    return fleet
  }

  test.each([true, false])(
    'is tried a few times, the log says why, and it gets no more jobs (detached: %s)',
    async (isDetached) => {
      const machines = await start(isDetached)
      expect((await machines.run(payload())).outcome).toEqual({ state: 'success' })
      await machines.executor.sweepsEnded()
      disk.fill()
      const stop = AbortSignal.timeout(40_000)
      const job = payload({ script: ['echo ran'], variables: [variable('A_FILE', 'content', { file: true })] })
      const { outcome, trace } = await machines.run(job, { abort: stop })
      expect(trace).toContain(`no space left in ${disk.directory} (0 MB free)`)
      expect(trace).not.toContain('\nran\n')
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'machine_unwritable' })
      expect(trace.match(/Trying again in/g) ?? []).toHaveLength(isDetached ? 6 : 0)
      // The one host is given back and lent again, three times in all.
      expect(trace.match(/Using instance a#\d+/g)).toEqual([
        'Using instance a#1',
        'Using instance a#2',
        'Using instance a#3',
      ])
    },
  )

  test('is tried again after a pause: a job begins as soon as there is room', async () => {
    const machines = await start()
    await machines.run(payload())
    // What it left is removed.
    await machines.executor.sweepsEnded()
    disk.fill()
    const { outcome, trace } = await machines.run(payload({ script: ['echo ran'] }), {
      onOutput: (soFar) => {
        if (soFar.endsWith('Trying again in 1 s.\n')) disk.free()
      },
    })
    expect(
      trace.match(/^instance a#1, slot 0: no space left in .+ \(0 MB free\)\. Trying again in 1 s\.$/gm),
    ).toHaveLength(1)
    expect(trace).toContain('\nran\n')
    expect(outcome).toEqual({ state: 'success' })
  })

  test('a file system that became read-only: no job runs there, and the log says so', async () => {
    const machines = await start()
    await machines.run(payload())
    // What it left is removed.
    await machines.executor.sweepsEnded()
    disk.remount('ro')
    const { outcome, trace } = await machines.run(payload({ script: ['echo ran'] }), {
      abort: AbortSignal.timeout(40_000),
    })
    expect(trace).toContain(`the file system of ${disk.directory} is read-only`)
    expect(trace).not.toContain('\nran\n')
    expect(outcome).toMatchObject({ state: 'failed', code: 'machine_unwritable' })
  })

  test('a job that fills the disk itself still has its after_script, and its end is known', async () => {
    const machines = await start()
    const script = [`head -c 16777216 /dev/zero >${disk.directory}/big || echo full`, 'exit 3']
    const { outcome, trace } = await machines.run(payload({ script, afterScript: ['echo after'] }), {
      abort: AbortSignal.timeout(40_000),
    })
    expect(trace).toContain('\nfull\n')
    expect(trace).toContain('\nafter\n')
    expect(outcome).toMatchObject({ state: 'failed', code: 'script_failed', exitCode: 3 })
  })

  test('a job that fills the disk itself and whose connection is cut ends with its own exit code', async () => {
    const machines = await start()
    const script = [
      `echo going on; sleep 0.5; head -c 16777216 /dev/zero >${disk.directory}/big || true; sleep 0.5; exit 3`,
    ]
    let isCut = false
    const { outcome } = await machines.run(payload({ script }), {
      abort: AbortSignal.timeout(40_000),
      onOutput: (soFar) => {
        if (isCut || !soFar.includes('\ngoing on\n')) return
        isCut = true
        machines.goAway(2000)
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', code: 'script_failed', exitCode: 3 })
  })
})
