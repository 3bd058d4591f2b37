import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListedInstance } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { expect, test } from 'vitest'
import { run, signal, startGroup, until } from './local-fleet.ts'

const lagMs = 300

test.each(['asked by id', 'known by lists only'])(
  'leased machines whose cloud is %s survive lists that are wrong for many times their lag, and their commands go on',
  async (how) => {
    const rootDir = mkdtempSync(join(tmpdir(), 'local-test-'))
    const group = await startGroup({ root_dir: rootDir, max_size: 8 })
    // Its `init` is called once.
    Object.assign(group, { init: async () => ({ id: 'local/test', maxSize: 8, version: '1.0.0' }) })
    if (how === 'known by lists only') Object.assign(group, { describe: undefined })
    const busy = new Set<string>()
    const provisioner = await Provisioner.start(
      {
        group,
        connector: createSshConnector({ connector: { hostKeyChecking: 'strict' } }),
        isBusy: (id) => busy.has(id),
        settings: { listLagMs: lagMs, updateIntervalWhenExpectingMs: 20, updateIntervalWhenInUseMs: 50 },
      },
      signal,
    )
    try {
      expect(provisioner.request(3, { reason: 'test' })).toBe(3)
      await until(() => [...provisioner.instances().values()].filter(({ state }) => state === 'running').length === 3)
      const ids = [...provisioner.instances().keys()]
      for (const id of ids) busy.add(id)
      const connections = await Promise.all(ids.map((id) => provisioner.connect(id, 0, signal)))
      const decrease = group.decrease.bind(group)
      const deleted: string[] = []
      group.decrease = (doomed, limit) => {
        deleted.push(...doomed)
        return decrease(doomed, limit)
      }
      const truth = group.list.bind(group)
      let lies = 0
      group.list = async (): Promise<readonly ListedInstance[]> => {
        lies += 1
        return []
      }
      const commands = connections.map((connection) => run(connection, `sleep ${(10 * lagMs) / 1000}; echo done`))
      await until(() => provisioner.massDisappearanceSince !== undefined)
      const ends = await Promise.all(commands)
      expect(ends).toEqual(ids.map(() => ({ stdout: 'done\n', stderr: '', status: { code: 0 } })))
      expect(lies).toBeGreaterThan(10)
      expect([...provisioner.instances().keys()]).toEqual(ids)
      group.list = truth
      await until(() => provisioner.missingCount === 0)
      expect(provisioner.massDisappearanceSince).toBeUndefined()
      expect(deleted).toEqual([])
      expect(connections.filter(({ ended }) => ended !== undefined)).toEqual([])
    } finally {
      busy.clear()
      await provisioner.shutdown({ removeInstances: true })
      rmSync(rootDir, { recursive: true })
    }
  },
)
