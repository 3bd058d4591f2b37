import { asGroupError, GroupError, type InstanceGroup, type ListedInstance, systemClock } from '@runner-core/fleeting'
import { type CloudControls, MemoryGroup, type MemoryGroupOptions, simpleShell } from '@runner-core/fleeting/testing'

const capabilities = ['heartbeat', 'suspend_resume', 'interruption_notice'] as const

/** A good group of at most three machines, which boot and go within milliseconds. */
export function memoryGroup(options: Partial<MemoryGroupOptions> = {}): MemoryGroup {
  return new MemoryGroup({
    clock: systemClock,
    maxSize: 3,
    bootDelayMs: 3,
    deleteDelayMs: 2,
    shell: simpleShell,
    capabilities,
    holdsOwner: true,
    ...options,
  })
}

/** A plugin that breaks one rule. */
export interface BrokenGroup {
  readonly fault: string
  /** How the name of the case that must find it begins. */
  readonly foundBy: string
  /** What it does instead of what the good group does. */
  readonly bend: (group: MemoryGroup) => Partial<InstanceGroup>
  readonly options?: Partial<MemoryGroupOptions>
}

/** The broken group, and the controls of the good cloud behind it. */
export function breakGroup({ bend, options }: BrokenGroup): {
  readonly group: InstanceGroup
  readonly cloud: CloudControls
} {
  const good = memoryGroup(options)
  return { group: withOverrides(good, bend(good)), cloud: good.controls }
}

function withOverrides(group: MemoryGroup, overrides: Partial<InstanceGroup>): InstanceGroup {
  return new Proxy(group, {
    get(target, property) {
      const value: unknown = Reflect.get(property in overrides ? overrides : target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const { signal: never } = new AbortController()

const list =
  (bend: (rows: readonly ListedInstance[]) => readonly ListedInstance[]): BrokenGroup['bend'] =>
  (group) => ({ list: async (signal) => bend(await group.list(signal)) })

export const brokenGroups: readonly BrokenGroup[] = [
  // owner
  {
    fault: 'a claim that does nothing where somebody has the group already',
    foundBy: 'owner: owners returns the last claim',
    bend: (group) => ({
      claim: async (owner, signal) => (group.owner === undefined ? group.claim!(owner, signal) : undefined),
    }),
  },
  {
    fault: 'a claim that forgets the epoch',
    foundBy: 'owner: owners returns the last claim',
    bend: (group) => ({ claim: (owner, signal) => group.claim!(owner && { ...owner, epoch: 1 }, signal) }),
  },
  {
    fault: 'owners without claim',
    foundBy: 'owner: owners returns the last claim',
    bend: () => ({ claim: undefined }) as unknown as Partial<InstanceGroup>,
  },
  {
    fault: 'a launch that writes over the owner',
    foundBy: 'owner: a claim survives launches',
    bend: (group) => ({
      increase: (request, signal) => {
        group.owner = undefined
        return group.increase(request, signal)
      },
    }),
  },
  // init
  {
    fault: 'init without an id',
    foundBy: 'init returns an identity',
    bend: (group) => ({ init: async (signal) => ({ ...(await group.init(signal)), id: ' ' }) }),
  },
  {
    fault: 'a capability without its method',
    foundBy: 'init reports only complete capabilities',
    bend: (group) => ({
      init: async (signal) => ({ ...(await group.init(signal)), capabilities: ['suspend_resume'] }),
    }),
    options: { capabilities: [] },
  },
  {
    fault: 'findings that are dropped',
    foundBy: 'init reports every fault of the set-up',
    bend: (group) => ({ init: async (signal) => ({ ...(await group.init(signal)), findings: [] }) }),
  },

  // list
  { fault: 'a page that is forgotten', foundBy: 'list shows every instance', bend: list((rows) => rows.slice(0, 2)) },
  {
    fault: 'a call for each machine',
    foundBy: 'list takes few calls',
    bend: (group) => ({
      async list(signal) {
        const rows = await group.list(signal)
        for (const { id } of rows) await group.heartbeat?.(id, signal).catch(() => {})
        return rows
      },
    }),
  },
  {
    fault: 'a rate limit that is drawn from and not told of',
    foundBy: 'increase, connectInfo and decrease draw',
    bend: (group) => ({
      init: async (signal) => ({
        ...(await group.init(signal)),
        rateLimits: {
          buckets: { memory: { size: 10, perSecond: 1 } },
          draws: (operation) => ({ memory: operation === 'decrease' ? 0 : 1 }),
        },
      }),
    }),
  },
  {
    fault: 'half a list when the cloud fails',
    foundBy: 'server_error on list',
    bend: (group) => ({ list: (signal) => group.list(signal).catch(() => []) }),
  },
  {
    fault: 'the last list when it is throttled',
    foundBy: 'throttled on list',
    bend(group) {
      let last: readonly ListedInstance[] = []
      return {
        async list(signal) {
          try {
            last = await group.list(signal)
          } catch (error) {
            if (asGroupError(error).code !== 'throttled') throw error
          }
          return last
        },
      }
    },
  },
  {
    fault: 'states nobody has heard of are dropped',
    foundBy: 'an unheard-of state',
    bend: list((rows) => rows.filter(({ state }) => state !== 'unknown')),
  },
  {
    fault: 'states nobody has heard of are taken for running',
    foundBy: 'an unheard-of state',
    bend: list((rows) => rows.map((row) => (row.state === 'unknown' ? { ...row, state: 'running' } : row))),
  },
  {
    fault: 'a state that means another',
    foundBy: 'every state of the cloud',
    bend: list((rows) => rows.map((row) => (row.state === 'failed' ? { ...row, state: 'running' } : row))),
  },
  {
    fault: "other people's machines are hidden",
    foundBy: 'an instance of somebody else',
    bend: list((rows) => rows.filter(({ launchToken }) => launchToken !== undefined)),
  },
  {
    fault: 'machines that are remembered though they went',
    foundBy: 'an instance that vanished',
    bend(group) {
      const known = new Map<string, ListedInstance>()
      return {
        async list(signal) {
          for (const row of await group.list(signal)) known.set(row.id, row)
          return [...known.values()]
        },
        async decrease(ids, signal) {
          const result = await group.decrease(ids, signal)
          for (const id of ids) known.delete(id)
          return result
        },
      }
    },
  },
  {
    fault: 'an id that changes',
    foundBy: 'a new instance is creating or running',
    bend: list((rows) => rows.map((row) => (row.state === 'creating' ? { ...row, id: `tmp-${row.id}` } : row))),
    options: { bootDelayMs: 20 },
  },

  // describe
  {
    fault: 'a machine that lives is said to be gone',
    foundBy: 'describe reports running instances',
    bend: () => ({ describe: async (ids) => ids.map((id) => ({ id, state: 'deleted' })) }),
  },
  {
    fault: 'a machine that is gone is said to run',
    foundBy: 'describe reports an instance as gone',
    bend: () => ({ describe: async (ids) => ids.map((id) => ({ id, state: 'running' })) }),
  },
  {
    fault: 'others are told of than were asked for',
    foundBy: 'describe reports running instances',
    bend: (group) => ({ describe: (_, signal) => group.list(signal) }),
  },
  {
    fault: 'asked for nothing, all are told of',
    foundBy: 'describe of nothing',
    bend: (group) => ({ describe: (ids, signal) => group.describe!(ids.length === 0 ? group.ids : ids, signal) }),
  },

  // increase
  {
    fault: 'one machine too many',
    foundBy: 'increase by one',
    bend: (group) => ({
      async increase(request, signal) {
        await group.increase({ count: 1, launchToken: `${request.launchToken}x` }, signal)
        return group.increase(request, signal)
      },
    }),
  },
  {
    fault: 'half of what was asked for',
    foundBy: 'increase by several',
    bend: (group) => ({
      increase: (request, signal) => group.increase({ ...request, count: Math.ceil(request.count / 2) }, signal),
    }),
  },
  {
    fault: 'a token that launches twice',
    foundBy: 'a launch token that list shows',
    bend: () => ({}),
    options: { tells: { idempotent: false } },
  },
  {
    fault: 'a launch that is asked again with a new token when its answer is lost',
    foundBy: 'an increase whose response was lost',
    bend: (group) => ({
      increase: (request, signal) =>
        group.increase(request, signal).catch((error: unknown) => {
          if (asGroupError(error).code !== 'transient') throw error
          return group.increase({ ...request, launchToken: `${request.launchToken}again` }, signal)
        }),
    }),
  },
  {
    fault: 'no quota error',
    foundBy: 'increase beyond the maximum',
    bend: (group) => ({
      increase: async (request, signal) => ({ requested: (await group.increase(request, signal)).requested }),
    }),
  },
  {
    fault: 'a size that is set from what was known',
    foundBy: 'increase adds to a size that another party has raised',
    bend(group) {
      let known = 0
      return {
        async list(signal) {
          const rows = await group.list(signal)
          known = rows.length
          return rows
        },
        async increase({ count, launchToken }, signal) {
          const missing = Math.max(0, known + count - group.ids.length)
          if (missing > 0) await group.increase({ count: missing, launchToken }, signal)
          return { requested: count }
        },
      }
    },
  },
  {
    fault: 'increases that overwrite each other',
    foundBy: 'concurrent increases',
    bend: (group) => ({
      async increase({ count, launchToken }, signal) {
        const wanted = group.ids.length + count
        await new Promise((resolve) => setTimeout(resolve, 1))
        const missing = wanted - group.ids.length
        return missing > 0
          ? { ...(await group.increase({ count: missing, launchToken }, signal)), requested: count }
          : { requested: count }
      },
    }),
  },
  {
    fault: 'a quota that is called something else',
    foundBy: 'a launch that fails for quota',
    bend: (group) => ({
      increase: (request, signal) =>
        group.increase(request, signal).catch((error: unknown) => {
          throw asGroupError(error).code === 'quota'
            ? new GroupError('transient', 'it failed', { cause: error })
            : error
        }),
    }),
  },
  {
    fault: 'a refusal that nobody hears of',
    foundBy: 'throttled on increase',
    bend: (group) => ({
      increase: (request, signal) => group.increase(request, signal).catch(() => ({ requested: 0 })),
    }),
  },
  {
    fault: 'launches that fail without a reason',
    foundBy: 'a launch that fails for capacity',
    bend: list((rows) => rows.map(({ id, state }) => ({ id, state }))),
    options: { lateRefusals: true },
  },
  {
    fault: 'launches that are tried again though they were given back',
    foundBy: 'a launch that fails for capacity',
    bend: (group) => ({
      async decrease(ids, signal) {
        const failed = ids.filter((id) => group.stateOf(id) === 'failed')
        const result = await group.decrease(ids, signal)
        if (failed.length > 0)
          await group.increase({ count: failed.length, launchToken: `again${failed.join('')}` }, signal)
        return result
      },
    }),
    options: { lateRefusals: true },
  },
  {
    fault: 'what was asked for and has not come is said to be given back, and stays',
    foundBy: 'giveBack gives back',
    bend(group) {
      let missing: readonly string[] = []
      return {
        list: async (signal) => [
          ...(await group.list(signal)),
          ...missing.map((id) => ({
            id,
            state: 'failed' as const,
            error: new GroupError('capacity', 'it never came'),
          })),
        ],
        async increase(request, signal) {
          try {
            return await group.increase(request, signal)
          } catch (error) {
            if (asGroupError(error).code !== 'capacity') throw error
            missing = Array.from({ length: request.count }, (_, index) => `missing-${request.launchToken}-${index}`)
            return { requested: request.count }
          }
        },
        async decrease(ids, signal) {
          missing = missing.filter((id) => !ids.includes(id))
          return group.decrease(ids, signal)
        },
        giveBack: async () => 0,
      }
    },
  },
  {
    fault: 'a machine that goes with what has not come',
    foundBy: 'giveBack gives back',
    bend: (group) => ({
      async giveBack(signal) {
        await group.decrease(group.ids.slice(0, 1), signal)
        return 0
      },
    }),
  },

  // decrease
  {
    fault: 'the oldest goes instead of the one named',
    foundBy: 'decrease removes exactly',
    bend: (group) => ({
      async decrease(ids, signal) {
        await group.decrease(group.ids.slice(0, ids.filter((id) => group.ids.includes(id)).length), signal)
        return { accepted: ids }
      },
    }),
  },
  {
    fault: 'a neighbour that goes too',
    foundBy: 'decrease removes exactly',
    bend: (group) => ({
      decrease: (ids, signal) => group.decrease(ids.length > 0 ? [...ids, ...group.ids.slice(-2)] : [], signal),
    }),
  },
  {
    fault: 'a removal that is accepted and not done',
    foundBy: 'decrease of several at once',
    bend: (group) => ({
      async decrease(ids, signal) {
        await group.decrease(ids.slice(0, 1), signal)
        return { accepted: ids }
      },
    }),
  },
  {
    fault: 'an error for what is gone',
    foundBy: 'decrease accepts instances that are being removed',
    bend: (group) => ({
      async decrease(ids, signal) {
        if (ids.some((id) => group.stateOf(id) !== 'running')) throw new GroupError('not_found', 'gone')
        return group.decrease(ids, signal)
      },
    }),
  },
  {
    fault: 'ids matched by prefix',
    foundBy: 'decrease accepts unknown ids',
    bend: (group) => ({
      async decrease(ids, signal) {
        await group.decrease(
          group.ids.filter((id) => ids.some((named) => named.startsWith(id))),
          signal,
        )
        return { accepted: ids }
      },
    }),
  },
  {
    fault: 'an empty list that means all',
    foundBy: 'decrease of nothing',
    bend: (group) => ({ decrease: (ids, signal) => group.decrease(ids.length === 0 ? group.ids : ids, signal) }),
  },
  {
    fault: 'an instance that cannot be removed while it is created',
    foundBy: 'an instance that is still being created',
    bend: (group) => ({
      async decrease(ids, signal) {
        await group.decrease(
          ids.filter((id) => group.stateOf(id) !== 'creating'),
          signal,
        )
        return { accepted: ids }
      },
    }),
    options: { bootDelayMs: 10 },
  },

  // faults
  {
    fault: 'a hint how long to wait that is lost',
    foundBy: 'a hint of how long to wait',
    bend: (group) => ({
      list: (signal) =>
        group.list(signal).catch((error: unknown) => {
          const { code, message } = asGroupError(error)
          throw new GroupError(code, message)
        }),
    }),
  },
  {
    fault: 'a hint how long to wait that is lost when instances are removed',
    foundBy: 'a hint of how long to wait',
    bend: (group) => ({
      decrease: (ids, signal) =>
        group.decrease(ids, signal).catch((error: unknown) => {
          const { code, message } = asGroupError(error)
          throw new GroupError(code, message)
        }),
    }),
  },
  {
    fault: 'a refused login that is tried again for ever',
    foundBy: 'auth on list',
    bend: (group) => ({
      list: (signal) =>
        group.list(signal).catch((error: unknown) => {
          throw new GroupError('transient', 'it failed', { cause: error })
        }),
    }),
  },
  {
    fault: 'a time-out that is taken for a machine that has gone',
    foundBy: 'a time-out of connectInfo',
    bend: (group) => ({
      connectInfo: (id, signal) =>
        group.connectInfo(id, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error
          throw new GroupError('not_found', `${id} does not answer`, { instanceId: id, cause: error })
        }),
    }),
  },
  {
    fault: 'a failure that lasts',
    foundBy: 'server_error on decrease',
    bend(group) {
      let failure: unknown
      return {
        async decrease(ids, signal) {
          if (failure !== undefined) throw failure
          return group.decrease(ids, signal).catch((error: unknown) => {
            failure = error
            throw error
          })
        },
      }
    },
  },
  {
    fault: 'an abort that is not heard while the cloud hangs',
    foundBy: 'list ends within a second of its abort',
    bend: (group) => ({
      async list(signal) {
        signal.throwIfAborted()
        return group.list(never)
      },
    }),
  },
  {
    fault: 'a list that does not look at its signal',
    foundBy: 'a call whose signal has aborted',
    bend: (group) => ({ list: () => group.list(never) }),
  },
  {
    fault: 'an increase that acts though aborted',
    foundBy: 'a call whose signal has aborted',
    bend: (group) => ({ increase: (request) => group.increase(request, never) }),
  },

  // connections
  {
    fault: 'connect info of the dead',
    foundBy: 'connectInfo of an instance that does not exist',
    bend: () => ({ connectInfo: async (id) => ({ instanceId: id, protocol: 'ssh', username: 'x' }) }),
  },
  {
    fault: 'credentials that are kept although they expired',
    foundBy: 'credentials that expire',
    bend(group) {
      const known = new Map<string, Awaited<ReturnType<InstanceGroup['connectInfo']>>>()
      return {
        async connectInfo(id, signal) {
          const info = (await group.connectInfo(id, signal)) && (known.get(id) ?? (await group.connectInfo(id, signal)))
          known.set(id, info)
          return info
        },
      }
    },
    options: { credentialsMs: 10 },
  },
  {
    fault: 'exit codes that are lost',
    foundBy: 'commands run',
    bend: () => ({}),
    options: { shell: (command) => (command.startsWith('exit') ? {} : simpleShell(command, '')) },
  },
  {
    fault: 'noise on stderr',
    foundBy: 'commands run',
    bend: () => ({}),
    options: { shell: async (command) => ({ ...(await simpleShell(command, '')), stderr: 'welcome' }) },
  },
  { fault: 'heartbeats of the dead', foundBy: 'heartbeat succeeds', bend: () => ({ heartbeat: async () => {} }) },

  // the end
  {
    fault: 'a shutdown that works once',
    foundBy: 'nothing is left',
    bend: (group) => ({
      async shutdown() {
        if (group.isShutDown) throw new Error('twice')
        await group.shutdown()
      },
    }),
  },
]
