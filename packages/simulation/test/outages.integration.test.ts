import { GroupError, type InstanceGroup } from '@runner-core/fleeting'
import { fleetName } from '@runner-core/runner/internals'
import { NoCapacityError } from '@runner-core/taskscaler'
import { expect } from 'vitest'
import { type Bug, bugs, type World } from '../src/index.ts'
import { hour, launches, machines, minute, outage, placesOf, runsWithin } from './outages/outage.ts'

const known = (name: string): Bug => {
  const bug = bugs.find((other) => other.name === name)
  if (bug === undefined) throw new Error(`no bug is called ${name}`)
  return bug
}
/** Another fleet's state: all that was kept is not found. */
const stateUnderAnotherName: Omit<Bug, 'breaks'> = {
  name: 'the fleet is known by a credential',
  lease: (lease) => ({
    ...lease,
    lost: lease.lost,
    load: async () => [],
    write: (changes) => lease.write(changes),
    release: () => lease.release(),
  }),
}
const patched = (name: string, patch: (group: InstanceGroup) => Partial<InstanceGroup>): Omit<Bug, 'breaks'> => ({
  name,
  group: (group) => ({ ...group, ...patch(group) }),
})

/** Between the decision and the act it does not look again. */
const decidesAndActsLater: Omit<Bug, 'breaks'> = {
  name: 'what was decided is done a moment later, whatever has come in between',
  provisioner(provisioner, clock) {
    provisioner.addBusyCheck = () => () => {}
    const remove = provisioner.remove.bind(provisioner)
    provisioner.remove = (ids, reason) => {
      const decided = [...ids]
      clock.after(200, () => remove(decided, reason))
      return []
    }
  },
}

async function restart(world: World): Promise<void> {
  world.manager.process.kill('by the test')
  await world.advance(minute)
  expect(world.manager.scaler).toBeDefined()
}

outage('token rotation: a rotated token makes no strangers of machines', {
  story: `gitlab-runner 39380 (and 39811): after its token was rotated the manager looked like a second runner to itself, and removed the machines of the first with jobs on them. A fleet is known by its
    configured name: with another token it finds its machines, and no job ends.`,
  async holds(world) {
    const runner = { name: 'builds', token: 'glrt-before', autoscaler: {} }
    expect(fleetName({ ...runner, token: 'glrt-after' } as never)).toBe(fleetName(runner as never))
    const place = await runsWithin(world, 2 * minute, 3 * minute)
    await restart(world)
    expect(machines(world)).toEqual([place])
    await world.advance(2 * minute)
    expect(world.coordinator.jobs[0]!.state).toBe('ended')
    expect(placesOf(world, 'j1')).toEqual([place])
    expect(await runsWithin(world, 5000, 1000)).toBe(place)
  },
  mistake: stateUnderAnotherName,
})

outage('idle decision races an assignment: an idle machine that gets a job in the last moment stays', {
  story: `GARM 455, ec2-fleet-plugin 498: the machine had been idle for long enough at 14:55, got a job at 14:56, and was deleted. However close they come, either the job is elsewhere or the machine stays.`,
  async holds(world) {
    for (let offset = -300; offset <= 300; offset += 20) {
      const place = await runsWithin(world, 2 * minute, 1000)
      const idleAt = world.clock.now() + 1000
      await world.advance(idleAt + 30_000 + offset - world.clock.now())
      const next = await runsWithin(world, 2 * minute, 5000)
      await world.advance(4000)
      expect(world.cloud.stateOf(next), `${offset} ms from the idle time, ${place} then ${next}`).toBe('running')
      await world.advance(2 * minute)
    }
  },
  mistake: decidesAndActsLater,
})

outage('scale-in picks the victim: a size that is lowered never takes the busy machine', {
  story: `elastic-ci-stack 1399: the group's size was lowered by one, and the cloud took a machine that was in the middle of a hotfix. Only the machine named is removed.`,
  async holds(world) {
    const busy = await runsWithin(world, 2 * minute)
    await runsWithin(world, 2 * minute, 1000)
    await world.advance(3 * minute)
    expect(machines(world)).toEqual([busy])
  },
  mistake: known('the size is lowered, and the cloud picks the machine'),
})

outage('demand not seen for minutes: a queue of hundreds makes the fleet grow within a minute', {
  story: `gitlab-runner 38294: hundreds of jobs were pending, and the manager lowered the desired size, even to zero. Demand is what waits, not what was taken: the fleet is full as soon as machines boot.`,
  async holds(world) {
    for (let job = 0; job < 200; job += 1) world.coordinator.enqueue(minute)
    await world.advance(15_000)
    expect(machines(world)).toHaveLength(5)
    await world.advance(minute)
    expect(world.machines.running).toHaveLength(5)
  },
  setting: { requestConcurrency: 4 },
  mistake: {
    name: 'a job is asked for only where a machine is ready, and nothing else is demand',
    reserve(scaler) {
      if (scaler.status().tasks.idle === 0) throw new NoCapacityError('max_instances', 'no slot')
      return scaler.reserve({ speculative: true })
    },
  },
})

outage('never reaches zero, and churn: an idle fleet goes to zero and stays there', {
  story: `gitlab-runner 37526, taskscaler 29: each removal of an idle machine made another one, for ever. With nothing to do and nothing to keep, nothing is there and nothing is done.`,
  async holds(world) {
    for (let job = 0; job < 4; job += 1) world.coordinator.enqueue(20_000)
    await world.advance(5 * minute)
    expect(machines(world)).toEqual([])
    const before = launches(world)
    await world.advance(hour)
    expect(launches(world)).toBe(before)
  },
  mistake: known('each removal of an idle machine makes another one'),
})

outage('a preempted machine gets jobs: a machine that the cloud is about to take gets no job', {
  story: `cattle-ops 1217, gitlab-runner 39145: a preempted machine kept getting jobs, each of which was lost. From the notice on it gets none, and the job that comes runs elsewhere.`,
  async holds(world) {
    const doomed = await runsWithin(world, 2 * minute, 1000)
    await world.advance(2000)
    world.cloud.announceInterruption(doomed, world.clock.wallTime() + 2 * minute)
    await world.advance(0)
    expect(await runsWithin(world, 2 * minute, 1000)).not.toBe(doomed)
  },
  mistake: {
    name: 'notices are not listened to',
    group(group) {
      const deaf = { ...group }
      delete deaf.onInterruption
      return deaf
    },
  },
})

outage('orphan after a lost create-reply: a machine whose create-reply was lost is found', {
  story: `docker-machine 6, gitlab-runner 4634: the driver died between the create call and the tag, in one run of four; about $300 in two weeks. The launch is kept before it is asked for, so what came of it is known,
    used, and removed.`,
  async holds(world) {
    world.cloud.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'connection reset') })
    world.coordinator.enqueue(1000)
    while (machines(world).length === 0) await world.advance(10)
    const [made] = machines(world)
    world.manager.process.kill('before it could hear')
    await world.advance(2 * minute)
    expect(placesOf(world, 'j1')).toEqual([made])
    await world.advance(2 * minute)
    expect(machines(world)).toEqual([])
  },
  mistake: known('a launch under way is forgotten over a crash'),
})

outage('launch runaway on a permanent error: an error that cannot heal launches nothing for hours', {
  story: `runs-on 523: a deterministic 400 made machines be launched and thrown away, about 8,900 in ten hours. The breaker lets one probe through now and then, and nothing else.`,
  async holds(world) {
    world.cloud.fail('increase', new GroupError('invalid_config', 'no such image'), Number.POSITIVE_INFINITY)
    for (let job = 0; job < 20; job += 1) world.coordinator.enqueue(1000)
    await world.advance(10 * hour)
    expect(launches(world)).toBeGreaterThan(2)
    expect(launches(world)).toBeLessThan(100)
    expect(machines(world)).toEqual([])
    world.cloud.heal()
    await runsWithin(world, 5 * minute)
  },
  mistake: known('every refusal passes for a hiccup'),
})

outage('starvation after failed launches: capacity that never came is given up and asked for again', {
  story: `drone/autoscaler PR 16 to 96, ec2-fleet 322: servers that had failed counted as capacity, so that jobs waited for ever. What was accepted has a deadline.`,
  setting: { maxInstances: 1 },
  async holds(world) {
    world.cloud.launchesLost = 1
    await runsWithin(world, 4 * minute)
  },
  mistake: known('capacity that never came counts for ever'),
})

outage('lost demand event: demand outlives the error that met it', {
  story: `terraform-aws-github-runner 2925: InsufficientInstanceCapacity was on no retry list, the event was dropped, and the job stalled for ever. Every pass looks at the queue itself: an event only wakes it.`,
  async holds(world) {
    world.cloud.fail('increase', new GroupError('capacity', 'InsufficientInstanceCapacity'), 2)
    await runsWithin(world, 6 * minute)
  },
  mistake: {
    name: 'demand is an event',
    provisioner(provisioner) {
      const request = provisioner.request.bind(provisioner)
      let taken = 0
      provisioner.request = (count, options) => {
        if (taken > 0) return 0
        taken = request(count, options)
        return taken
      }
    },
  },
})

outage('throttling becomes an outage: a throttle is not fed', {
  story: `gitlab-runner 3424: each check was an API call, failing calls ate the quota, and only a stop of half an hour healed it. While the cloud says too many, hardly anything is asked, and it goes on by itself.`,
  async holds(world) {
    await runsWithin(world, 2 * minute)
    world.cloud.throttledUntil = world.clock.now() + 30 * minute
    let refused = 0
    for (const operation of ['list', 'increase', 'decrease'] as const) {
      const act = world.cloud[operation].bind(world.cloud) as (...given: unknown[]) => Promise<never>
      world.cloud[operation] = ((...given: unknown[]) => {
        refused += world.clock.now() < world.cloud.throttledUntil ? 1 : 0
        return act(...given)
      }) as never
    }
    world.coordinator.enqueue(1000)
    await world.advance(30 * minute)
    expect(refused).toBeLessThan(25)
    await world.advance(5 * minute)
    await runsWithin(world, 2 * minute)
  },
  mistake: patched('a throttle is an error like any other', (group) => ({
    async list(signal) {
      try {
        return await group.list(signal)
      } catch {
        throw new GroupError('transient', 'something')
      }
    },
  })),
})

outage('restart loses everything: a restart keeps the fleet and its jobs', {
  story: `GitLab Runner deletes all instances that exist at its start unless a beta feature is on, and cannot resume jobs. After a kill -9 the machines are the same, and the job that ran ends once, where it was.`,
  async holds(world) {
    const place = await runsWithin(world, 2 * minute, 3 * minute)
    for (let kill = 0; kill < 3; kill += 1) {
      world.manager.process.kill('by the test')
      await world.advance(35_000)
      expect(machines(world)).toEqual([place])
    }
    await world.advance(80_000)
    expect(placesOf(world, 'j1')).toEqual([place])
    expect(world.coordinator.jobs[0]!.state).toBe('ended')
  },
  mistake: known('what is lent is forgotten over a crash'),
})

outage('plugin dies: a plugin that dies takes nothing with it', {
  story: `fleeting googlecloud 22 and 23: the plugin's socket refused connections, every job waited 15 minutes and failed. Jobs that run go on, no machine is given up, and the queue moves as soon as it is back.`,
  async holds(world) {
    const place = await runsWithin(world, 2 * minute)
    const refused = new GroupError('transient', 'dial unix: connection refused')
    for (const operation of ['list', 'increase', 'decrease'] as const)
      world.cloud.fail(operation, refused, Number.POSITIVE_INFINITY)
    world.coordinator.enqueue(1000)
    await world.advance(3 * minute)
    expect(machines(world)).toEqual([place])
    expect(world.machines.running.map(({ job }) => job)).toEqual(['j1'])
    world.cloud.heal()
    await runsWithin(world, 3 * minute)
    await world.advance(2 * minute)
    expect(world.coordinator.jobs[0]!.api.state).toBe('success')
  },
  mistake: patched('a plugin that once failed is not asked again', (group) => {
    let failure: unknown
    const once = async <T>(ask: () => Promise<T>): Promise<T> => {
      if (failure !== undefined) throw failure
      try {
        return await ask()
      } catch (error) {
        failure = error
        throw error
      }
    }
    return {
      list: (signal) => once(() => group.list(signal)),
      increase: (request, signal) => once(() => group.increase(request, signal)),
    }
  }),
})

outage('failed instances eat capacity: failed machines make room at once', {
  story: `fleeting azure 12: provisioningState Failed was mapped to nothing, the group was full of dead machines, and people deleted them by cron. A failed machine is removed and replaced.`,
  setting: { maxInstances: 1 },
  async holds(world) {
    world.cloud.bootsFailed = 1
    await runsWithin(world, 3 * minute)
  },
  mistake: patched('an unknown word for a state is dropped', (group) => ({
    list: async (signal) =>
      (await group.list(signal)).map((row) => (row.state === 'failed' ? { ...row, state: 'suspended' } : row)),
    decrease: async (ids) => ({ accepted: ids }),
  })),
})

outage("two owners: another owner's machines are left alone", {
  story: `azure-vm-agents 481 and 634: two controllers with the same id deleted each other's machines. What nobody here asked for gets no job and is not removed, whether we were there when it came or not.`,
  async holds(world) {
    await runsWithin(world, 2 * minute, 1000)
    const strangers = [world.cloud.addForeign(), world.cloud.addForeign()]
    await world.advance(10 * minute)
    await restart(world)
    await world.advance(10 * minute)
    expect(machines(world)).toEqual(strangers)
    expect(strangers).not.toContain(await runsWithin(world, 2 * minute, 1000))
  },
  mistake: {
    name: 'whatever is there at the start is ours',
    lease: (lease) => ({
      ...lease,
      lost: lease.lost,
      load: async (kinds) => (await lease.load(kinds)).filter(({ kind }) => kind !== 'fleet'),
      write: (changes) => lease.write(changes),
      release: () => lease.release(),
    }),
  },
})

outage('wedged call to the cloud: a call that is never answered blocks nothing', {
  story: `actions-runner-controller 4600 and 3953, GARM 700: one call without a deadline blocked the controller for good. Every call has one.`,
  async holds(world) {
    world.cloud.fail('list', { kind: 'deaf' })
    world.cloud.fail('increase', { kind: 'deaf' })
    await runsWithin(world, 5 * minute)
  },
  mistake: { name: 'calls have no deadline', settings: { callTimeoutMs: Number.MAX_SAFE_INTEGER } },
})

outage('coordinator outage strands the fleet: an outage of the coordinator neither makes nor removes machines', {
  story: `GARM 841: during an outage of GitHub hundreds of runners looked offline and the fleet starved. Requests that come back empty are no demand and no reason to remove anything; afterwards it goes on at once.`,
  setting: { schedule: 1 },
  async holds(world) {
    const fleet = machines(world)
    expect(fleet).toHaveLength(2)
    world.coordinator.outageUntil = world.clock.now() + hour
    await world.advance(hour)
    expect(machines(world)).toEqual(fleet)
    expect(fleet).toContain(await runsWithin(world, 2 * minute, 1000))
  },
  mistake: {
    name: 'each request for a job is demand',
    reserve: (scaler) => scaler.reserve(),
  },
})

outage('cancelled clean-up: what a cancelled job left is ended before the next one comes', {
  story: `gitlab-runner 38725: the clean-up of a job that had timed out was done with its own cancelled context; its containers ran on, and the next job died for want of memory.`,
  setting: { maxInstances: 1 },
  async holds(world) {
    await runsWithin(world, 2 * minute, Number.POSITIVE_INFINITY)
    world.coordinator.cancel(world.coordinator.jobs[0]!)
    await runsWithin(world, 3 * minute, minute)
    expect(world.machines.running.map(({ job }) => job)).toEqual(['j2'])
  },
  mistake: known('a slot is free again while its job still runs'),
})

outage('one bad machine blocks all: one machine that cannot be removed holds up no other', {
  story: `ec2-fleet-plugin 327: one machine with termination protection stopped all provisioning. The others of its batch go, and new ones come.`,
  async holds(world) {
    const places = [
      await runsWithin(world, 2 * minute, minute),
      await runsWithin(world, 2 * minute, 1000),
      await runsWithin(world, 2 * minute, 1000),
    ]
    const bad = places[0]
    let isProtected = true
    const decrease = world.cloud.decrease.bind(world.cloud)
    world.cloud.decrease = async (ids, signal) => {
      if (isProtected && ids.includes(bad!)) throw new GroupError('transient', `${bad} is protected`)
      return await decrease(ids, signal)
    }
    await world.advance(8 * minute)
    expect(machines(world)).toEqual([bad])
    await runsWithin(world, 2 * minute, 1000)
    isProtected = false
  },
  mistake: {
    name: 'everything that is to go is always sent in one call',
    group(group) {
      const sent = new Set<string>()
      return {
        ...group,
        decrease(ids, signal) {
          for (const id of ids) sent.add(id)
          return group.decrease([...sent], signal)
        },
      }
    },
  },
})

outage('regional stock-out: a stock-out in one zone is met in another', {
  story: `terraform-aws-github-runner 2566, Karpenter 1899: with no capacity in one zone jobs waited for it to come back. The next placement is asked at once.`,
  setting: { placements: ['north', 'south'] },
  async holds(world) {
    const increase = world.cloud.increase.bind(world.cloud)
    world.cloud.increase = async (request, signal) => {
      if (request.placement !== 'south') throw new GroupError('capacity', `no stock in ${request.placement}`)
      return await increase(request, signal)
    }
    await runsWithin(world, 50_000)
  },
  mistake: patched('there is only one zone', (group) => ({
    init: async (signal) => {
      const { placements: _, ...info } = await group.init(signal)
      return info
    },
  })),
})

outage('clock jump: a wall clock that jumps changes nothing', {
  story: `A host that slept, or whose time was set: idle times and deadlines by the wall clock all came due at once. Only schedules read it.`,
  setting: { schedule: 1 },
  async holds(world) {
    for (let job = 0; job < 2; job += 1) world.coordinator.enqueue(minute)
    await world.advance(minute + 15_000)
    const fleet = machines(world)
    expect(fleet).toHaveLength(4)
    for (const days of [1, -30, 365]) {
      world.clock.jumpWallTime(days * 24 * hour)
      await world.advance(20_000)
      expect(machines(world)).toEqual(fleet)
    }
    expect(fleet).toContain(await runsWithin(world, 2000, 1000))
    await world.advance(5 * minute)
    expect(machines(world)).toHaveLength(2)
  },
  mistake: {
    name: 'time is the wall clock',
    clock: (clock) => ({ ...clock, now: () => clock.wallTime(), after: (ms, callback) => clock.after(ms, callback) }),
  },
})

outage('dead machines hold the maximum: a dead machine does not hold the maximum', {
  story: `actions-runner-controller 4155: a runner that was killed for want of memory stayed Running, and max_runners was consumed by such. A machine that gives a job no connection is replaced.`,
  setting: { maxInstances: 1, schedule: 1 },
  async holds(world) {
    const [dead] = machines(world)
    await runsWithin(world, 10_000, 1000)
    await world.advance(2000)
    world.cloud.unreachable = new Set([dead!])
    world.cloud.dropConnections()
    expect(await runsWithin(world, 5 * minute, 1000)).not.toBe(dead)
  },
  mistake: patched('no answer is no news', (group) => ({
    connect: async (id, signal) => {
      try {
        return await group.connect!(id, signal)
      } catch {
        throw new GroupError('not_ready', 'ask again later')
      }
    },
  })),
})

outage('one fault makes every machine look dead: a cut network costs no fleet', {
  story: `Ray 14264, GARM 841: one fault made every node look dead, and all were killed. While most fail at once the fault is likely ours, and they are kept.`,
  setting: { healthChecks: true, maxInstances: 5 },
  async holds(world) {
    for (let job = 0; job < 5; job += 1) world.coordinator.enqueue(2 * minute)
    await world.advance(2 * minute)
    const fleet = machines(world)
    expect(fleet).toHaveLength(5)
    world.useSchedule(1)
    await world.advance(minute)
    world.cloud.unreachable = 'all'
    world.cloud.dropConnections()
    await world.advance(3 * minute)
    expect(machines(world).filter((id) => fleet.includes(id)).length).toBeGreaterThanOrEqual(2)
    world.cloud.unreachable = new Set()
    await runsWithin(world, 2 * minute, 1000)
  },
  mistake: { name: 'each machine is judged alone', settings: { health: { massFailureMinimum: 1000 } } },
})

outage('jobs taken without capacity: no job is taken that nothing can run', {
  story: `gitlab-runner 38931: 24 jobs were running by GitLab's account, and there was not one instance. A job is asked for only against a slot, or a dated promise of one.`,
  setting: { maxInstances: 2, requestConcurrency: 4 },
  async holds(world) {
    world.cloud.fail('increase', new GroupError('quota', 'none left'), 3)
    for (let job = 0; job < 24; job += 1) world.coordinator.enqueue(1000)
    await world.advance(3 * minute)
    expect(world.coordinator.open.filter(({ state }) => state !== 'queued').length).toBeLessThanOrEqual(2)
  },
  mistake: known('jobs are asked for without a promise of capacity'),
})
