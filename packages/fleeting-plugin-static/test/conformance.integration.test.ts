import { silentLogger, systemClock } from '@runner-core/fleeting'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, beforeAll, describe } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: plugin static against OpenSSH: ${missing}`)

describe.skipIf(missing !== undefined)('against OpenSSH', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd.stop())

  const makeGroup = (): ReturnType<typeof createInstanceGroup> => {
    const host = { internal_addr: `127.0.0.1:${sshd.port}`, host_key: sshd.hostKey }
    const connector = { username: sshd.username, privateKey: sshd.privateKey }
    const context = { fleet: 'conformance', connector, logger: silentLogger, clock: systemClock, random: Math.random }
    return createInstanceGroup({ instances: { one: host, two: host, three: host } }, context)
  }
  describeInstanceGroup('plugin static', makeGroup, {
    maxInstances: 3,
    patienceMs: 60_000,
    pollMs: 5,
    machinesOutliveInstances: true,
  })
})
