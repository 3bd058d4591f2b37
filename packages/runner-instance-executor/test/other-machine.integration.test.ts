// Jobs that leave a machine without room for one that has it.
import { dirname } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { SmallDisk, smallDiskMissing } from '@runner-core/testkit/machine/small-disk'
import { afterEach, describe, expect, test } from 'vitest'
import { ExecutorFleet } from './executor-fleet.ts'

const missing = smallDiskMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs that leave a machine without room: ${missing}`)

const cases = [
  { shell: 'bash', isDetached: true },
  { shell: 'sh', isDetached: true },
  { shell: 'bash', isDetached: false },
] as const

describe.skipIf(missing !== undefined).each(cases)(
  'a job whose machine has no room ($shell, detached: $isDetached)',
  ({ shell, isDetached }) => {
    let fleet: ExecutorFleet | undefined
    let disk: SmallDisk | undefined
    /** Of the executor's clock to the machine's. */
    let aheadMs = 0
    afterEach(async () => {
      disk?.[Symbol.dispose]()
      disk = undefined
      await fleet?.[Symbol.asyncDispose]()
      fleet = undefined
      aheadMs = 0
    })

    /** Machines of which the first has served a job, and then got a small disk. */
    async function start(minFreeBytes: number): Promise<ExecutorFleet> {
      fleet = await ExecutorFleet.start({
        createInstanceGroup,
        pluginConfig: (directory) => ({ root_dir: directory, shell: '/bin/bash' }),
        connector: { timeoutMs: 10_000 },
        executor: {
          ...(isDetached && { detach: { limitBytes: 4_000_000, reconnectGraceMs: 5_000 } }),
          shell,
          buildsDir: 'builds',
          acquireTimeoutMs: 60_000,
          minFreeBytes,
          clock: { ...systemClock, now: () => systemClock.now() + aheadMs },
        },
      })
      const { trace, outcome } = await fleet.run(payload({ script: ['echo "in $PWD"'] }))
      expect(outcome).toEqual({ state: 'success' })
      await fleet.executor.sweepsEnded()
      const [, builds] = /^in (.*\/builds)\//m.exec(trace)!
      expect(dirname(builds!)).not.toBe('/')
      disk = new SmallDisk(builds!, '8m')
      return fleet
    }
    const instances = (trace: string): string[] =>
      [...trace.matchAll(/^Using instance (\S+), slot \d+$/gm)].map(([, id]) => id!)

    test('since its disk is full: it runs on another', async () => {
      const machines = await start(0)
      disk!.fill()
      const { trace, outcome } = await machines.run(
        payload({ script: ['echo ran'], variables: [variable('A_FILE', 'content', { file: true })] }),
      )
      expect(trace).toMatch(/no space left in builds \(0 MB free\)/)
      expect(new Set(instances(trace)).size).toBe(2)
      expect(trace.match(/^ran$/gm)).toHaveLength(1)
      expect(outcome).toEqual({ state: 'success' })
    })

    test('since there is less than min_free_space: it runs on another, and its log has the numbers', async () => {
      const machines = await start(100 * 1024 * 1024)
      aheadMs = 10_000
      const { trace, outcome } = await machines.run(payload({ script: ['echo ran'] }))
      expect(trace).toMatch(/: [78] MB free in builds, min_free_space is 100 MB/)
      expect(new Set(instances(trace)).size).toBe(2)
      expect(trace.match(/^ran$/gm)).toHaveLength(1)
      expect(outcome).toEqual({ state: 'success' })
    })

    test('is not looked for within 10 s of the last look', async () => {
      const machines = await start(100 * 1024 * 1024)
      aheadMs = -5_000
      const { trace, outcome } = await machines.run(payload({ script: ['echo ran'] }))
      expect(instances(trace)).toHaveLength(1)
      expect(outcome).toEqual({ state: 'success' })
    })
  },
)
