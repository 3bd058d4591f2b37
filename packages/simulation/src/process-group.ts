import {
  type DecreaseResult,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  isConnectionError,
  isGroupError,
} from '@runner-core/fleeting'
import type { WorldMachines } from './machine/world-machines.ts'
import type { EffectKind, WorldProcess } from './world-process.ts'

/** Who is told of each change that is about to reach the cloud. */
export interface CloudWitness {
  increases(request: IncreaseRequest): void
  /** How a launch was answered, unless the process died before it could hear it. */
  increased(request: IncreaseRequest, error: unknown): void
  decreases(ids: readonly string[]): void
  /** A list was heard, or it failed. */
  listed(worked: boolean): void
  /** It was heard who has the group, before these are deleted. */
  looked(ids: readonly string[]): void
  /** A call failed, one about this machine. */
  failed(id: string | undefined): void
}

/** The machine of an instance, where it is not the instance itself. */
export type MachineOf = (id: string) => string

/** A call that its caller ended after so long was hanging. */
const hungMs = 10_000

/** The cloud, or a member of it, as one process talks to it. */
export function processGroup(
  cloud: InstanceGroup,
  machines: WorldMachines,
  process: WorldProcess,
  witness: CloudWitness,
  machineOf: MachineOf = (id) => id,
): InstanceGroup {
  return {
    init: (signal) => effect('group', 'init', () => cloud.init(signal)),
    list: async (signal) => {
      try {
        const rows = await effect('group', 'list', () => cloud.list(signal))
        witness.listed(true)
        return rows
      } catch (error) {
        witness.listed(false)
        throw error
      }
    },
    increase: (request, signal) => increase(request, signal),
    decrease: (ids, signal) =>
      effect('group', `decrease ${ids.join(' ')}`, (): Promise<DecreaseResult> => {
        witness.decreases(ids)
        return cloud.decrease(ids, signal)
      }),
    connectInfo: (id, signal) => effect('group', `connectInfo ${id}`, () => cloud.connectInfo(id, signal), id),
    ...(cloud.connect !== undefined && {
      connect: (id, signal) =>
        effect(
          'connection',
          `connect ${id}`,
          async () => machines.connectionOf(process, await cloud.connect!(id, signal), machineOf(id)),
          id,
        ),
    }),
    ...(cloud.describe !== undefined && {
      describe: (ids, signal) => effect('group', `describe ${ids.join(' ')}`, () => cloud.describe!(ids, signal)),
    }),
    ...(cloud.owners !== undefined && {
      owners: async (signal, ids) => {
        const owners = await effect('group', 'owners', () => cloud.owners!(signal, ids))
        if (ids !== undefined) witness.looked(ids)
        return owners
      },
    }),
    ...(cloud.claim !== undefined && {
      claim: (owner, signal) => effect('group', 'claim', () => cloud.claim!(owner, signal)),
    }),
    ...(cloud.heartbeat !== undefined && {
      heartbeat: (id, signal) => effect('group', `heartbeat ${id}`, () => cloud.heartbeat!(id, signal), id),
    }),
    ...(cloud.onInterruption !== undefined && {
      onInterruption: (listener) => cloud.onInterruption!((id, at) => process.deliver(() => listener(id, at))),
    }),
    // Nothing of the plugin's own is left to free, and the cloud itself stays.
    shutdown: async () => {},
  }

  /** What is refused as such is no trouble: a machine that is not ready yet, or is gone. */
  async function effect<T>(kind: EffectKind, name: string, act: () => Promise<T>, id?: string): Promise<T> {
    const beganAt = process.clock.now()
    try {
      return await process.effect(kind, name, act)
    } catch (error) {
      const isTrouble = isGroupError(error)
        ? error.code !== 'not_ready' && error.code !== 'not_found'
        : isConnectionError(error) || process.clock.now() - beganAt >= hungMs
      if (isTrouble) witness.failed(id === undefined ? undefined : machineOf(id))
      throw error
    }
  }

  async function increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const name = `increase by ${request.count}`
    let isHeard = false
    const hear = (error: unknown): void => {
      if (!isHeard) witness.increased(request, error)
      isHeard = true
    }
    // Who waits no longer has an answer of its own by then.
    const onAbort = (): void => hear(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = await process.effect('group', name, () => {
        witness.increases(request)
        return cloud.increase(request, signal)
      })
      hear(undefined)
      return answer
    } catch (error) {
      hear(error)
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
