/**
 * A program of its own that holds a group with durable state: launches as many containers as its argument says, tells
 * their ids in one line of JSON, and stays.
 */
import { env } from 'node:process'
import { type KeyPair, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { createInstanceGroup } from '../src/index.ts'

const { image, fleet, stateDir, fleetKey, count, launchToken } = JSON.parse(env['MANAGER']!) as ManagerOrder
const { signal } = new AbortController()
const context = {
  fleet,
  stateDir,
  fleetKey,
  connector: {},
  logger: silentLogger,
  clock: systemClock,
  random: systemRandom,
}
const group = createInstanceGroup({ image, max_size: 3 }, context)
await group.init(signal)
const { ids } = await group.increase({ count, launchToken }, signal)
process.stdout.write(`${JSON.stringify(ids)}\n`)
setInterval(() => {}, 60_000)

export interface ManagerOrder {
  readonly image: string
  readonly fleet: string
  readonly stateDir: string
  readonly fleetKey: KeyPair
  readonly count: number
  readonly launchToken: string
}
