// Opt-in: the conformance suite on a real scale set. Never run so far, for want of an account.
import { readFileSync } from 'node:fs'
import { type ConnectorConfig, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { describe, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { AZURE_LIVE: config, AZURE_LIVE_KEY: keyPath = '', AZURE_LIVE_CONNECTOR: connectorConfig = '{}' } = process.env

describe.skipIf(config !== undefined)('a real scale set', () => {
  test.skip('skipped: AZURE_LIVE names none')
})

if (config !== undefined) {
  const connector: ConnectorConfig = {
    privateKey: readFileSync(keyPath, 'utf8'),
    ...(JSON.parse(connectorConfig) as ConnectorConfig),
  }
  const context = { fleet: 'conformance', connector, logger: silentLogger, clock: systemClock, random: systemRandom }
  const ssh = createSshConnector({ connector, clock: systemClock, random: systemRandom })
  describeInstanceGroup('a real scale set', () => createInstanceGroup(JSON.parse(config), context), {
    maxInstances: 3,
    patienceMs: 900_000,
    pollMs: 10_000,
    connect: (info, signal) => ssh.connect(info, signal),
  })
}
