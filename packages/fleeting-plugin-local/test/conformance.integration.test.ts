import { silentLogger, systemClock } from '@runner-core/fleeting'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { createInstanceGroup } from '../src/index.ts'

const context = { fleet: 'conformance', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
const options = { maxInstances: 3, patienceMs: 60_000, pollMs: 20 }
describeInstanceGroup('plugin local', () => createInstanceGroup({ max_size: 3 }, context), options)
