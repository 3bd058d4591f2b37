import { GroupError, type GroupErrorCode } from '@runner-core/fleeting'
import type { MemoryOperation } from '@runner-core/fleeting/testing'
import type { SimEngine } from './engine/sim-engine.ts'
import type { World } from './world.ts'
import type { MemberOperation } from './world-cloud.ts'

const second = 1000
const minute = 60 * second

/** What may happen. */
export type StepName =
  | 'job'
  | 'jobs'
  | 'longJob'
  | 'hangingJob'
  | 'cancelJob'
  | 'guest'
  | 'wait'
  | 'killNow'
  | 'killBefore'
  | 'killAfter'
  | 'freezeNow'
  | 'freezeBefore'
  | 'freezeAfter'
  | 'succeed'
  | 'schedule'
  | 'preempt'
  | 'notice'
  | 'foreign'
  | 'resize'
  | 'force'
  | 'isolate'
  | 'cutNetwork'
  | 'mendNetwork'
  | 'hide'
  | 'vanish'
  | 'keep'
  | 'lists'
  | 'bootsFail'
  | 'bootStuck'
  | 'launchLost'
  | 'surplus'
  | 'fewer'
  | 'deletesIgnored'
  | 'deletesStuck'
  | 'refuse'
  | 'loseAnswer'
  | 'hang'
  | 'throttle'
  | 'heal'
  | 'diskFull'
  | 'stateLost'
  | 'stateLate'
  | 'stateLocked'
  | 'stateUnread'
  | 'machineFull'
  | 'machineFreed'
  | 'failingJob'
  | 'leavingJob'
  | 'stubbornJob'
  | 'wire'
  | 'outage'
  | 'handOutLost'
  | 'wallClock'
  | RareStepName

/** What came to the world later: see `scenarioOf`. */
type RareStepName = (
  | typeof rareStepNames
  | typeof ownerStepNames
  | typeof logStepNames
  | typeof memberStepNames
  | typeof hostStepNames
  | typeof projectStepNames
  | typeof containerStepNames
  | typeof outageStepNames
)[number]

export const rareStepNames = ['powerCut', 'powerCutBefore', 'powerCutAfter', 'powerCutSoon', 'stateTooLarge'] as const
/** For groups that say who has them. */
export const ownerStepNames = ['claimed', 'rival', 'ownersFail'] as const
/** For managers whose log is written. */
export const logStepNames = ['logFull'] as const
/** For fleets of several groups. */
export const memberStepNames = ['memberDown', 'memberWithoutRoom', 'memberListsFail'] as const

/** For jobs of several projects. */
export const projectStepNames = ['manyProjects'] as const
/** For jobs in containers. */
export const containerStepNames = [
  'engineCut',
  'engineDown',
  'engineSilent',
  'engineFails',
  'containerGone',
  'containerCopied',
  'afterJob',
  'serviceJob',
  'networkJob',
] as const
/**
 * What hits the cloud's interface and the network at once. Only stories about a guard have it: a launch whose answer
 * was lost and that lists leave out for longer than their lag is made again, as it must be.
 */
export const outageStepNames = ['blackout'] as const
/** For fleets of hosts. */
export const hostStepNames = ['hostCut'] as const

/** What happens to clouds that make machines, and to no host. */
const cloudStepNames: ReadonlySet<StepName> = new Set([
  'preempt',
  'notice',
  'foreign',
  'resize',
  'force',
  'hide',
  'vanish',
  'lists',
  'bootsFail',
  'bootStuck',
  'launchLost',
  'surplus',
  'fewer',
  'deletesIgnored',
  'deletesStuck',
  'refuse',
  'throttle',
  'blackout',
])

/** Does something to the world and says what, in words for a story; undefined: there was nobody to do it to. */
type Act = (world: World, n: number) => string | undefined

const codes: readonly GroupErrorCode[] = [
  'capacity',
  'quota',
  'throttled',
  'auth',
  'invalid_config',
  'not_found',
  'conflict',
  'transient',
]
const operations: readonly MemoryOperation[] = ['list', 'increase', 'decrease', 'connect', 'increase']

const acts: Readonly<Record<StepName, Act>> = {
  job(world, n) {
    const { name, durationMs } = world.coordinator.enqueue(100 + n * 40)
    return `job ${name} of ${durationMs} ms comes`
  },
  jobs(world, n) {
    const names = Array.from(
      { length: 2 + (n % 5) },
      (_, index) => world.coordinator.enqueue(second + n * 30 * index).name,
    )
    return `jobs ${names.join(', ')} come`
  },
  longJob: (world, n) => `job ${world.coordinator.enqueue(minute + n * 100).name} comes, and takes minutes`,
  hangingJob: (world) => `job ${world.coordinator.enqueue(Number.POSITIVE_INFINITY).name} comes, and hangs`,
  cancelJob: (world, n) =>
    on(pick(world.coordinator.open, n), (job) => {
      world.coordinator.cancel(job)
      return `job ${job.name} is cancelled`
    }),
  guest(world, n) {
    const [priority, holdMs, patienceMs] = [n % 3, 500 + n * 50, n % 4 === 0 ? 2 * second + n * 10 : 10 * minute]
    void world.manager.guest(priority, holdMs, patienceMs)
    return `a guest of priority ${priority} asks for a slot for ${holdMs} ms, with ${patienceMs} ms of patience`
  },
  wait: () => 'nothing happens',
  killNow(world) {
    world.manager.process.kill('while nothing happened')
    return undefined
  },
  killBefore(world, n) {
    world.manager.process.killAt({ effect: 1 + (n % 40), when: 'before' })
    return `the manager is to be killed before effect ${1 + (n % 40)} from now`
  },
  killAfter(world, n) {
    world.manager.process.killAt({ effect: 1 + (n % 40), when: 'after' })
    return `the manager is to be killed after effect ${1 + (n % 40)} from now`
  },
  freezeNow(world, n) {
    world.manager.process.freeze(freezeMs(n), 'while nothing happened')
    return undefined
  },
  freezeBefore(world, n) {
    world.manager.process.freezeAt({ effect: 1 + (n % 40), when: 'before' }, freezeMs(n))
    return `the manager is to stand still for ${freezeMs(n)} ms before effect ${1 + (n % 40)} from now`
  },
  freezeAfter(world, n) {
    world.manager.process.freezeAt({ effect: 1 + (n % 40), when: 'after' }, freezeMs(n))
    return `the manager is to stand still for ${freezeMs(n)} ms after effect ${1 + (n % 40)} from now`
  },
  succeed(world) {
    world.succeed()
    return undefined
  },
  schedule(world, n) {
    world.useSchedule(n)
    return `the idle policy is another: number ${world.schedule}`
  },
  preempt: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      world.history.trouble('interrupted', { machine: id })
      world.cloud.preempt(id)
      return `the cloud takes ${id} away`
    }),
  notice: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      world.history.begins('interrupted', { machine: id })
      world.cloud.announceInterruption(id, world.clock.wallTime() + 2 * minute)
      world.clock.after(((n % 5) + 1) * 20 * second, () => world.cloud.preempt(id))
      return `the cloud announces that it takes ${id} away`
    }),
  foreign: (world) => `somebody else makes ${world.cloud.addForeign()}`,
  resize(world, n) {
    const by = (n % 5) - 2
    for (const id of by < 0 ? world.cloud.ids.slice(0, -by) : []) world.history.trouble('interrupted', { machine: id })
    world.cloud.resize(by)
    return `somebody else resizes the group by ${by}`
  },
  force: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      const state = (['failed', 'unknown', 'creating', 'suspended', 'deleting', 'failed'] as const)[n % 6]!
      world.history.begins('misreported', { machine: id })
      world.cloud.setState(id, state)
      return `the cloud says that ${id} is ${state}`
    }),
  isolate: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      if (world.cloud.unreachable === 'all') return undefined
      world.history.begins('unreachable', { machine: id })
      world.cloud.unreachable.add(id)
      return `${id} cannot be reached any more`
    }),
  cutNetwork(world) {
    world.history.begins('unreachable')
    world.cloud.unreachable = 'all'
    world.cloud.dropConnections()
    return 'the network to the machines is cut'
  },
  mendNetwork(world) {
    world.history.ends('unreachable')
    for (const machine of world.cloud.ids) world.history.ends('unreachable', { machine })
    world.cloud.unreachable = new Set()
    return 'the network to the machines is mended'
  },
  hide: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      // One that is on its way out and left out of a list is gone, whoever looks.
      if (!world.cloud.lives(id)) return undefined
      // One that two lists leave out is lost; where machines cannot be told apart, nobody knows it again when it comes
      // back.
      const times = world.canTellLaunches ? 1 + (n % 6) : 1
      world.cloud.hide(id, times)
      return `the next ${times} lists leave ${id} out`
    }),
  vanish: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      if (world.cloud.unreachable === 'all') return undefined
      world.history.begins('unreachable', { machine: id })
      world.cloud.unreachable.add(id)
      world.cloud.hide(id, world.canTellLaunches ? 2 + (n % 3) : 1)
      return `${id} cannot be reached any more, and the next lists leave it out`
    }),
  keep: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      // Whoever embeds it stands still with it.
      if (world.manager.process.isFrozen) return undefined
      world.manager.witness.keep(id, 2 * second + n * 50)
      return `somebody who embeds the library calls ${id} busy for ${2000 + n * 50} ms`
    }),
  lists(world, n) {
    const lie = (['empty', 'half', 'stale', 'reordered', 'repeated'] as const)[n % 5]!
    world.cloud.lie(lie, 1 + (n % 3))
    return `the next ${1 + (n % 3)} lists are ${lie}`
  },
  bootsFail(world, n) {
    world.history.trouble('boot')
    world.cloud.bootsFailed = 1 + (n % 2)
    return `the next ${1 + (n % 2)} boots fail`
  },
  bootStuck(world) {
    world.history.trouble('boot')
    world.cloud.bootsStuck = 1
    return 'the next boot never ends'
  },
  launchLost(world, n) {
    world.history.trouble('boot')
    world.cloud.launchesLost = 1 + (n % 2)
    return `the next ${1 + (n % 2)} launched machines never appear`
  },
  surplus(world, n) {
    world.cloud.surplus = 1 + (n % 2)
    return `the next launch brings ${1 + (n % 2)} more than asked`
  },
  fewer(world, n) {
    world.history.trouble('cloud')
    world.cloud.acceptOnly = { count: n % 3, error: new GroupError(codes[n % codes.length]!, 'only some') }
    return `the next launch brings ${n % 3} at most, and the error ${codes[n % codes.length]}`
  },
  deletesIgnored(world, n) {
    world.cloud.deletesIgnored = 1 + (n % 2)
    return `the next ${1 + (n % 2)} deletes have no effect`
  },
  deletesStuck(world) {
    world.cloud.deletesStuck = true
    return 'deletes do not come to an end from now on'
  },
  refuse(world, n) {
    const [operation, code, times] = [operations[n % operations.length]!, codes[n % codes.length]!, 1 + (n % 3)]
    world.history.trouble('cloud')
    // That a machine is not there says more than that a call failed.
    if (operation === 'connect' && code === 'not_found') world.history.begins('misreported')
    world.cloud.fail(operation, new GroupError(code, `a fault of kind ${code}`), times)
    return `the next ${times} calls of ${operation} fail: ${code}`
  },
  loseAnswer(world, n) {
    const operation = operations[n % operations.length]!
    world.history.trouble('cloud')
    world.cloud.fail(
      operation,
      { kind: 'afterActing', error: new GroupError('transient', 'connection reset') },
      1 + (n % 2),
    )
    return `the next ${1 + (n % 2)} calls of ${operation} are done, and their answers lost`
  },
  hang(world, n) {
    const operation = operations[n % operations.length]!
    world.history.trouble('cloud')
    world.cloud.fail(operation, { kind: n % 2 === 0 ? 'hang' : 'deaf' })
    return `the next call of ${operation} hangs`
  },
  throttle(world, n) {
    world.history.begins('cloud')
    world.clock.after(second + n * 60, () => world.history.ends('cloud'))
    world.cloud.throttledUntil = world.clock.now() + second + n * 60
    return `the cloud throttles for ${second + n * 60} ms`
  },
  blackout(world, n) {
    if (world.cloud.unreachable === 'all') return undefined
    const lastsMs = 15 * second + n * 30
    acts.cutNetwork(world, n)
    world.cloud.isDark = true
    world.clock.after(lastsMs, () => {
      world.cloud.isDark = false
      acts.mendNetwork(world, n)
    })
    return `for ${lastsMs} ms lists are empty, nothing is found by its id, and the network to the machines is cut`
  },
  manyProjects(world, n) {
    for (let left = 4 + (n % 4); left > 0; left -= 1) world.coordinator.enqueue(300 + ((n * left) % 7) * 4000)
    return `${4 + (n % 4)} jobs of several projects come`
  },
  hostCut: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      const { unreachable } = world.cloud
      if (unreachable === 'all' || unreachable.has(id)) return undefined
      const ms = second + n * 90
      world.history.begins('unreachable', { machine: id })
      unreachable.add(id)
      world.cloud.dropConnections(id)
      world.clock.after(ms, () => {
        if (world.cloud.unreachable === 'all') return
        world.cloud.unreachable.delete(id)
        world.history.ends('unreachable', { machine: id })
      })
      return `${id} cannot be reached for ${ms} ms`
    }),
  engineCut: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      world.history.trouble('unreachable', { machine: id })
      world.cloud.dropConnections(id)
      return `the connections to ${id} are cut`
    }),
  engineDown: (world, n) =>
    onEngine(world, n, (engine) => {
      engine.goDown()
      return 'is not there'
    }),
  engineSilent: (world, n) =>
    onEngine(world, n, (engine, until) => {
      engine.silentUntil = until
      return 'does not answer'
    }),
  engineFails: (world, n) =>
    onEngine(world, n, (engine, until) => {
      engine.failingUntil = until
      return 'fails in every other call'
    }),
  containerGone: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      const job = world.engine(id)?.loseContainer(n)
      if (job === undefined) return undefined
      world.history.trouble('unreachable', { job })
      return `somebody removes the container of ${job}`
    }),
  containerCopied: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      const job = world.engine(id)?.copyContainer(n)
      return job === undefined ? undefined : `somebody runs an image that was made of the container of ${job}`
    }),
  afterJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 40, [], { hasAfterScript: true }).name} comes, with an after_script`,
  serviceJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 20, [], { hasService: true }).name} comes, with a service`,
  networkJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 20, [], { ownNetwork: true }).name} comes, with a network`,
  memberDown: (world, n) =>
    memberFails(world, n, new GroupError('transient', 'no answer'), ['list', 'increase', 'decrease']),
  memberListsFail: (world, n) => memberFails(world, n, new GroupError('transient', 'no answer'), ['list']),
  memberWithoutRoom: (world, n) => memberFails(world, n, new GroupError('capacity', 'no room'), ['increase']),
  heal(world) {
    world.cloud.heal()
    return 'the faults of the cloud end'
  },
  diskFull(world, n) {
    world.history.begins('state')
    world.store.fail({ refused: n % 2 === 0 ? 'unknown' : 'disk_full' }, 1 + (n % 3))
    return `the next ${1 + (n % 3)} writes of state fail`
  },
  stateLost(world, n) {
    world.history.begins('state')
    world.store.fail('answer lost', 1 + (n % 2))
    return `the next ${1 + (n % 2)} writes of state are kept, and said to have failed`
  },
  stateLate(world, n) {
    world.store.fail({ lateMs: 200 + n * 5 }, 1 + (n % 4))
    return `the next ${1 + (n % 4)} writes of state are late by ${200 + n * 5} ms`
  },
  stateLocked(world, n) {
    world.history.begins('state')
    world.store.fail({ refused: 'busy' }, 1 + (n % 4))
    return `somebody locks the state: ${1 + (n % 4)} writes fail`
  },
  stateUnread(world, n) {
    world.store.loadsFail = 1 + (n % 3)
    return `the next ${1 + (n % 3)} loads of state fail`
  },
  machineFull: (world, n) =>
    on(pick(world.cloud.ids, n), (id) => {
      if (world.machines.get(id) === undefined) return undefined
      world.history.begins('machine_disk', { machine: id })
      world.fillDisk(id, true)
      return `the disk of ${id} is full`
    }),
  machineFreed(world) {
    for (const id of world.cloud.ids) {
      world.history.ends('machine_disk', { machine: id })
      world.fillDisk(id, false)
    }
    return 'the disks of machines have room again'
  },
  failingJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 10, [{ exit: 1 + (n % 3) }]).name} comes, and will fail`,
  leavingJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 10, [{ leave: true }]).name} comes, and leaves a process`,
  stubbornJob: (world, n) =>
    `job ${world.coordinator.enqueue(100 + n * 40, [{ stubborn: true }]).name} comes, and does not end when asked to`,
  wire(world, n) {
    const on = (['accept', 'trace', 'finish', 'keep_alive', 'request'] as const)[n % 5]!
    const faults = ['answer lost', 'reset', 'failed', 'silent', 'answer lost'] as const
    // A hand-out whose acceptance is never answered comes again to a manager that still waits for the first.
    const fault = on === 'accept' && n % 2 === 0 ? 'reset' : faults[Math.floor(n / 5) % (on === 'accept' ? 3 : 5)]!
    world.history.begins('coordinator')
    world.coordinator.fail(on, fault, 1 + (n % 2))
    return `the next ${1 + (n % 2)} requests of kind ${on}: ${fault}`
  },
  outage(world, n) {
    world.history.begins('coordinator')
    world.clock.after(second + n * 60, () => world.history.ends('coordinator'))
    world.coordinator.isUnreachable = n % 2 === 0
    world.coordinator.outageUntil = world.clock.now() + second + n * 60
    return `the coordinator is out for ${second + n * 60} ms`
  },
  handOutLost(world) {
    world.coordinator.fail('request', 'answer lost')
    return 'the next hand-out of a job is made, and its answer lost'
  },
  wallClock(world, n) {
    world.clock.jumpWallTime((n - 500) * minute)
    return `the wall clock jumps by ${n - 500} minutes`
  },
  powerCut(world) {
    world.cutPower('while nothing happened')
    return undefined
  },
  powerCutBefore(world, n) {
    world.cutPowerAt({ effect: 1 + (n % 40), when: 'before' })
    return `the manager's computer is to lose its power before effect ${1 + (n % 40)} from now`
  },
  powerCutAfter(world, n) {
    world.cutPowerAt({ effect: 1 + (n % 40), when: 'after' })
    return `the manager's computer is to lose its power after effect ${1 + (n % 40)} from now`
  },
  powerCutSoon(world, n) {
    world.clock.after(n * 5, () => world.cutPower('while nothing happened'))
    return `the manager's computer is to lose its power in ${n * 5} ms`
  },
  stateTooLarge(world, n) {
    const maxCharacters = 300 + n * 5
    world.history.begins('state')
    world.store.maxCharacters = maxCharacters
    world.clock.after(second + n * 60, () => {
      world.store.maxCharacters = Number.POSITIVE_INFINITY
    })
    return `writes of state of more than ${maxCharacters} characters fail for ${second + n * 60} ms`
  },
  claimed: (world, n) =>
    world.strangerClaims(5 * second + n * 100) ? `somebody else takes the group for ${5000 + n * 100} ms` : undefined,
  rival: (world, n) =>
    world.rivalStarts(minute + n * 60)
      ? 'another manager, with a state of its own, is started on the group'
      : undefined,
  logFull(world, n) {
    world.isLogFull = true
    world.clock.after(second + n * 100, () => {
      world.isLogFull = false
    })
    return `the disk of the manager's log is full for ${second + n * 100} ms`
  },
  ownersFail(world, n) {
    world.history.trouble('cloud')
    world.cloud.fail(
      'owners',
      new GroupError(n % 2 === 0 ? 'transient' : 'throttled', 'a fault of the notes'),
      1 + (n % 3),
    )
    return `the next ${1 + (n % 3)} looks at who has the group fail`
  },
}

/** How often each comes, where that is not once. */
const weights: Partial<Record<StepName, number>> = {
  job: 6,
  jobs: 4,
  longJob: 3,
  guest: 3,
  cancelJob: 3,
  wait: 4,
  killBefore: 2,
  killAfter: 2,
  loseAnswer: 2,
  preempt: 2,
  heal: 2,
  schedule: 2,
  keep: 2,
}

/** Every step that any seed may have, as often as it comes. */
export const stepNames: readonly StepName[] = (Object.keys(acts) as StepName[])
  .filter(
    (name) =>
      ![
        ...rareStepNames,
        ...ownerStepNames,
        ...logStepNames,
        ...memberStepNames,
        ...hostStepNames,
        ...projectStepNames,
        ...containerStepNames,
        ...outageStepNames,
      ].some((rare) => rare === name),
  )
  .flatMap((name) => Array.from({ length: weights[name] ?? 1 }, () => name))

/** Does a step, and answers what happened in words. */
export function act(world: World, name: StepName, n: number): string | undefined {
  return world.hasHosts && cloudStepNames.has(name) ? undefined : acts[name](world, n)
}

function freezeMs(n: number): number {
  return 300 + (n % 7) * (n % 11) * 700
}

/** One of the groups that the fleet consists of refuses these calls for a while. */
function memberFails(
  world: World,
  n: number,
  error: GroupError,
  operations: readonly MemberOperation[],
): string | undefined {
  return on(pick(world.cloud.members, n), (member) => {
    const ms = second + n * 120
    world.history.begins('cloud')
    world.clock.after(ms, () => world.history.ends('cloud'))
    world.cloud.failMember(member, { error, operations, until: world.clock.now() + ms })
    return `${member} refuses ${operations.join(', ')} with ${error.code} for ${ms} ms`
  })
}

/** The Engine of a machine is troubled for a while. */
function onEngine(world: World, n: number, trouble: (engine: SimEngine, until: number) => string): string | undefined {
  return on(pick(world.cloud.ids, n), (id) => {
    const engine = world.engine(id)
    if (engine === undefined) return undefined
    const ms = second + n * 70
    world.history.begins('unreachable', { machine: id })
    world.clock.after(ms, () => {
      engine.heal()
      world.history.ends('unreachable', { machine: id })
    })
    return `the Engine of ${id} ${trouble(engine, world.clock.now() + ms)} for ${ms} ms`
  })
}

function pick<T>(from: readonly T[], n: number): T | undefined {
  return from[n % Math.max(1, from.length)]
}

function on<T>(one: T | undefined, does: (one: T) => string | undefined): string | undefined {
  return one === undefined ? undefined : does(one)
}
