import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { afterAll, expect } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const context = { fleet: 'conformance', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
const options = { maxInstances: 3, patienceMs: 60_000, pollMs: 20 }
describeInstanceGroup('plugin local', () => createInstanceGroup({ max_size: 3 }, context), options)

const stateDir = join(mkdtempSync(join(tmpdir(), 'local-test-')), 'made', 'later')
describeInstanceGroup(
  'plugin local with durable state',
  () => createInstanceGroup({ max_size: 3 }, { ...context, stateDir }),
  options,
)
afterAll(() => {
  const root = join(stateDir, '../..')
  expect(readdirSync(join(root, 'made'))).toEqual([])
  rmSync(root, { recursive: true })
})
