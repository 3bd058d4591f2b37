// Opt-in: the conformance suite on a real group. Never run so far, for want of an account.
import { type ConnectorConfig, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { describe, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { GCE_LIVE: config, GCE_LIVE_CONNECTOR: connectorConfig = '{}' } = process.env

describe.skipIf(config !== undefined)('a real managed instance group', () => {
  test.skip('skipped: GCE_LIVE names none')
})

if (config !== undefined) {
  const connector = JSON.parse(connectorConfig) as ConnectorConfig
  const context = { fleet: 'conformance', connector, logger: silentLogger, clock: systemClock, random: systemRandom }
  const ssh = createSshConnector({ connector, clock: systemClock, random: systemRandom })
  describeInstanceGroup('a real managed instance group', () => createInstanceGroup(JSON.parse(config), context), {
    maxInstances: 3,
    patienceMs: 600_000,
    pollMs: 5000,
    connect: (info, signal) => ssh.connect(info, signal),
  })
}
