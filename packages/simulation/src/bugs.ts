import { type Clock, GroupError, type InstanceGroup, isGroupError } from '@runner-core/fleeting'
import type { Provisioner, ProvisionerSettingsInput } from '@runner-core/fleeting/provisioner'
import type { FleetLease, StateChange } from '@runner-core/fleeting/state'
import type { Reservation, Taskscaler } from '@runner-core/taskscaler'
import type { PromiseNumber } from './witness.ts'

/**
 * A mistake that a manager of the world is made with, to show that it would be noticed. Each hook wraps what the
 * manager would use.
 */
export interface Bug {
  readonly name: string
  /** Which promise it breaks. */
  readonly breaks: PromiseNumber
  readonly group?: (group: InstanceGroup) => InstanceGroup
  readonly lease?: (lease: FleetLease) => FleetLease
  /** Instances above the maximum. */
  readonly more?: number
  readonly settings?: ProvisionerSettingsInput
  readonly clock?: (clock: Clock) => Clock
  readonly provisioner?: (provisioner: Provisioner, clock: Clock) => void
  /** Called once for each manager. */
  readonly scaler?: (scaler: Taskscaler, provisioner: Provisioner) => void
  /** A promise of capacity for a request. */
  readonly reserve?: (scaler: Taskscaler) => Reservation
}

/** Writes go on without some of their changes. */
const forgets =
  (isForgotten: (change: StateChange) => boolean) =>
  (lease: FleetLease): FleetLease => ({
    fleet: lease.fleet,
    epoch: lease.epoch,
    lost: lease.lost,
    wanted: lease.wanted,
    freeze: () => lease.freeze(),
    load: (kinds) => lease.load(kinds),
    write: (changes) => lease.write(changes.filter((change) => !isForgotten(change))),
    release: () => lease.release(),
  })

/** Each is one that a real system of this kind has had. */
export const bugs: readonly Bug[] = [
  {
    name: 'the busy check is not asked before a delete',
    breaks: 1,
    provisioner(provisioner) {
      provisioner.addBusyCheck = () => () => {}
    },
  },
  {
    name: 'the size is lowered, and the cloud picks the machine',
    breaks: 1,
    group(group) {
      let listed: readonly string[] = []
      return {
        ...group,
        async list(signal) {
          const rows = await group.list(signal)
          listed = rows.map(({ id }) => id)
          return rows
        },
        decrease: (ids, signal) => group.decrease(listed.length < 2 ? ids : listed.slice(0, ids.length), signal),
      }
    },
  },
  { name: 'what is lent is forgotten over a crash', breaks: 1, lease: forgets(({ kind }) => kind === 'acquisition') },
  { name: 'one more than the maximum', breaks: 2, more: 1 },
  {
    name: 'what is on its way out does not count',
    breaks: 2,
    group: (group) => ({
      ...group,
      list: async (signal) => (await group.list(signal)).filter(({ state }) => state !== 'deleting'),
    }),
  },
  {
    name: 'each removal of an idle machine makes another one',
    breaks: 3,
    scaler(_, provisioner) {
      provisioner.onChange((changes) => {
        for (const { kind, instance } of changes)
          if (kind === 'gone' && instance.removal?.reason.startsWith('idle for'))
            provisioner.request(1, { reason: 'a bug' })
      })
    },
  },
  {
    name: 'jobs are asked for without a promise of capacity',
    breaks: 4,
    reserve(scaler) {
      try {
        return scaler.reserve({ speculative: true })
      } catch {
        return { key: 'nothing', kind: 'slot', readyAt: 0, priority: 0, speculative: true, [Symbol.dispose]() {} }
      }
    },
  },
  {
    name: 'promises are dated by hope',
    breaks: 4,
    reserve(scaler) {
      const reservation = scaler.reserve({ speculative: true })
      if (reservation.kind === 'promised')
        Object.defineProperty(reservation, 'readyAt', { value: Number.MAX_SAFE_INTEGER, writable: true })
      return reservation
    },
  },
  {
    name: 'capacity that never came counts for ever',
    breaks: 5,
    settings: { launchTimeoutMs: Number.MAX_SAFE_INTEGER },
  },
  {
    name: 'every refusal passes for a hiccup',
    breaks: 5,
    group: (group) => ({
      ...group,
      async increase(request, signal) {
        try {
          return await group.increase(request, signal)
        } catch (error) {
          throw isGroupError(error) ? new GroupError('conflict', error.message) : error
        }
      },
    }),
  },
  {
    name: 'launches are made without a written intent',
    breaks: 6,
    lease: forgets(({ kind, value }) => kind === 'launch' && value !== null),
  },
  {
    name: 'deletes are sent once and never looked after',
    breaks: 6,
    group(group) {
      const sent = new Set<string>()
      return {
        ...group,
        decrease: async (ids, signal) => {
          const fresh = ids.filter((id) => !sent.has(id))
          for (const id of fresh) sent.add(id)
          if (fresh.length > 0) await group.decrease(fresh, signal)
          return { accepted: [...ids] }
        },
      }
    },
  },
  {
    name: 'a launch under way is forgotten over a crash',
    breaks: 6,
    lease: (lease) => ({
      ...forgets(() => false)(lease),
      load: async (kinds) => (await lease.load(kinds)).filter(({ kind }) => kind !== 'launch'),
    }),
  },
  {
    name: 'machines of an earlier process are not known',
    breaks: 6,
    lease: (lease) => ({
      ...forgets(() => false)(lease),
      load: async (kinds) => (await lease.load(kinds)).filter(({ kind }) => kind !== 'instance'),
    }),
  },
  {
    name: 'the last one to ask is served first',
    breaks: 7,
    scaler(scaler) {
      let asked = 0
      const acquire = scaler.acquire.bind(scaler)
      scaler.acquire = (reservation, options) => acquire(Object.assign(reservation, { priority: asked++ }), options)
    },
  },
  {
    name: 'a cancelled wait stays in the queue',
    breaks: 7,
    scaler(scaler) {
      const waiting = new Set<Reservation>()
      const acquire = scaler.acquire.bind(scaler)
      scaler.acquire = async (reservation, options) => {
        waiting.add(reservation)
        const acquiring = acquire(reservation).finally(() => waiting.delete(reservation))
        const cancelled = new Promise<never>((_, reject) => {
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true })
        })
        return await Promise.race([acquiring, cancelled])
      }
      const unreserve = scaler.unreserve.bind(scaler)
      scaler.unreserve = (reservation) => {
        if (!waiting.has(reservation)) unreserve(reservation)
      }
    },
  },
  {
    name: 'a slot is free again while its job still runs',
    breaks: 7,
    scaler(scaler) {
      const acquire = scaler.acquire.bind(scaler)
      const release = scaler.release.bind(scaler)
      scaler.acquire = async (reservation, options) => {
        const acquisition = await acquire(reservation, options)
        release(acquisition)
        return acquisition
      }
    },
  },
]
