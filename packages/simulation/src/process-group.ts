import type { DecreaseResult, IncreaseRequest, InstanceGroup } from '@runner-core/fleeting'
import type { WorldCloud } from './world-cloud.ts'
import type { WorldMachines } from './world-machines.ts'
import type { WorldProcess } from './world-process.ts'

/** Who is told of each change that is about to reach the cloud. */
export interface CloudWitness {
  increases(request: IncreaseRequest): void
  /** How a launch was answered, unless the process died before it could hear it. */
  increased(request: IncreaseRequest, error: unknown): void
  decreases(ids: readonly string[]): void
}

/** The cloud as one process talks to it. */
export function processGroup(cloud: WorldCloud, machines: WorldMachines, process: WorldProcess, witness: CloudWitness): InstanceGroup {
  const connect = cloud.connect
  return {
    init: (signal) => process.effect('group', 'init', () => cloud.init(signal)),
    list: (signal) => process.effect('group', 'list', () => cloud.list(signal)),
    increase: (request, signal) => increase(request, () => cloud.increase(request, signal)),
    decrease: (ids, signal) =>
      process.effect('group', `decrease ${ids.join(' ')}`, (): Promise<DecreaseResult> => {
        witness.decreases(ids)
        return cloud.decrease(ids, signal)
      }),
    connectInfo: (id, signal) => process.effect('group', `connectInfo ${id}`, () => cloud.connectInfo(id, signal)),
    ...(connect !== undefined && {
      connect: (id, signal) =>
        process.effect('connection', `connect ${id}`, async () => machines.connectionOf(process, await connect(id, signal), id)),
    }),
    ...(cloud.heartbeat !== undefined && {
      heartbeat: (id, signal) => process.effect('group', `heartbeat ${id}`, () => cloud.heartbeat!(id, signal)),
    }),
    ...(cloud.onInterruption !== undefined && {
      onInterruption: (listener) => cloud.onInterruption!((id, at) => process.isAlive && listener(id, at)),
    }),
    // Nothing of the plugin's own is left to free, and the cloud itself stays.
    shutdown: async () => {},
  }

  async function increase<T>(request: IncreaseRequest, act: () => Promise<T>): Promise<T> {
    const name = `increase by ${request.count}`
    try {
      const answer = await process.effect('group', name, () => {
        witness.increases(request)
        return act()
      })
      witness.increased(request, undefined)
      return answer
    } catch (error) {
      witness.increased(request, error)
      throw error
    }
  }
}
