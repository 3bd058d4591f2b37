import { describe, expect, it } from 'vitest'
import { type MemoryFleet, never, startFleet } from '../../test/memory-fleet.ts'
import type { Connector } from '../contract/connector.ts'
import { ConnectionError } from '../contract/errors.ts'
import { MemoryConnection, simpleShell } from '../testing/memory-connection.ts'

/** Connects once to each, so that they are known to be good and are checked from then on. */
async function prove(fleet: MemoryFleet, count: number): Promise<readonly string[]> {
  const ids = await fleet.launch(count)
  await Promise.all(ids.map((id) => fleet.provisioner.connect(id, 0, never)))
  return ids
}

function cut(fleet: MemoryFleet, ids: readonly string[] | 'all'): void {
  fleet.group.unreachable = ids === 'all' ? 'all' : new Set(ids)
  fleet.group.dropConnections()
}

describe('an idle instance', () => {
  it('that cannot be reached any more is replaced after a few checks', async () => {
    await using fleet = await startFleet()
    const [bad, ...good] = await prove(fleet, 4)
    cut(fleet, [bad!])
    await fleet.clock.advance(90_000)
    expect(fleet.provisioner.instances().get(bad!)).toMatchObject({
      healthy: false,
      failing: expect.stringContaining('does not answer'),
    })
    await fleet.clock.advance(60_000)
    expect(fleet.ids).toEqual(good)
    expect(fleet.changes.at(-1)).toMatchObject({
      kind: 'gone',
      instance: { removal: { reason: expect.stringContaining('unhealthy: ') } },
    })
    expect(fleet.provisioner.launchState().backoffs).toEqual([])
  })

  it('that fails now and then is left alone', async () => {
    await using fleet = await startFleet()
    const [flaky] = await prove(fleet, 1)
    for (let round = 0; round < 6; round += 1) {
      cut(fleet, [flaky!])
      await fleet.clock.advance(40_000)
      cut(fleet, [])
      await fleet.clock.advance(180_000)
    }
    expect(fleet.ids).toEqual([flaky])
    expect(fleet.instances[0]).toMatchObject({ healthy: true })
  })

  it('is not checked before anybody reached it, nor while it is busy', async () => {
    await using fleet = await startFleet()
    const [fresh] = await fleet.launch(1)
    await fleet.clock.advance(600_000)
    expect(fleet.calls('connect')).toEqual([])
    fleet.busy.add(fresh!)
    await fleet.provisioner.connect(fresh!, 0, never)
    cut(fleet, 'all')
    await fleet.clock.advance(600_000)
    expect(fleet.calls('connect')).toHaveLength(1)
  })

  it('that the cloud gives up too is unhealthy at once', async () => {
    await using fleet = await startFleet({ capabilities: ['heartbeat'] })
    const ids = await prove(fleet, 4)
    fleet.group.fail('heartbeat', Object.assign(new Error('impaired'), { name: 'GroupError', code: 'not_found' }))
    cut(fleet, [ids[0]!])
    await fleet.clock.advance(62_000)
    expect(fleet.provisioner.instances().get(ids[0]!)).toMatchObject({ healthy: false, failing: 'impaired' })
  })

  it('with another host key than its own is unhealthy at once', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.fail('connect', new ConnectionError('host_key_mismatch', 'another key'))
    await expect(fleet.provisioner.connect(id!, 0, never)).rejects.toMatchObject({ code: 'host_key_mismatch' })
    expect(fleet.instances[0]).toMatchObject({ healthy: false, failing: 'another key' })
    await fleet.clock.advance(62_000)
    expect(fleet.ids).toEqual([])
  })
})

describe('without periodic checks', () => {
  const withoutChecks = { provisioner: { settings: { health: { checkIntervalMs: 0 } } } }
  const use = (fleet: MemoryFleet, ids: readonly string[]) =>
    Promise.allSettled(ids.map((id) => fleet.provisioner.connect(id, 0, never)))

  it('one that failed for work is tried until it is good again: nobody else would', async () => {
    await using fleet = await startFleet(withoutChecks)
    const ids = await prove(fleet, 4)
    cut(fleet, 'all')
    await use(fleet, ids)
    await fleet.clock.advance(120_000)
    expect(fleet.instances.map(({ id, healthy }) => [id, healthy])).toEqual(ids.map((id) => [id, false]))
    cut(fleet, [])
    await fleet.clock.advance(30_000)
    expect(fleet.instances.map(({ id, healthy }) => [id, healthy])).toEqual(ids.map((id) => [id, true]))
    await fleet.clock.advance(600_000)
    expect(fleet.calls('connect')).toHaveLength(4 + 4 + 4 * 12 + 4)
  })

  it('one that stays dead is replaced, and no other for what one of them did', async () => {
    await using fleet = await startFleet(withoutChecks)
    const [bad, ...good] = await prove(fleet, 4)
    cut(fleet, [bad!])
    await use(fleet, [bad!])
    expect(fleet.ids).toContain(bad)
    await fleet.clock.advance(60_000)
    expect(fleet.ids).toEqual(good)
  })
})

describe('an outage on our side', () => {
  it('removes nobody, and is over when it is over', async () => {
    await using fleet = await startFleet()
    const ids = await prove(fleet, 6)
    cut(fleet, 'all')
    await fleet.clock.advance(600_000)
    expect(fleet.ids).toEqual(ids)
    expect(fleet.provisioner.massFailureSince).toBeDefined()
    expect(fleet.instances.every(({ healthy }) => !healthy)).toBe(true)
    cut(fleet, [])
    await fleet.clock.advance(120_000)
    expect(fleet.provisioner.massFailureSince).toBeUndefined()
    expect(fleet.instances.every(({ healthy }) => healthy)).toBe(true)
    expect(fleet.calls('decrease')).toEqual([])
  })

  it('that never ends costs one instance in each long while, to see whose fault it is', async () => {
    await using fleet = await startFleet()
    await prove(fleet, 6)
    cut(fleet, 'all')
    await fleet.clock.advance(2_000_000)
    expect(fleet.calls('decrease')).toHaveLength(2)
    expect(fleet.ids).toHaveLength(4)
  })

  it('does not save the few that were dead before', async () => {
    await using fleet = await startFleet()
    const [dead, ...good] = await prove(fleet, 5)
    cut(fleet, 'all')
    await fleet.clock.advance(300_000)
    cut(fleet, [dead!])
    await fleet.clock.advance(400_000)
    expect(fleet.ids).toEqual(good)
  })
})

describe('connect', () => {
  it('keeps the connection of a slot, and opens one for another', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    const first = await fleet.provisioner.connect(id!, 0, never)
    expect(await fleet.provisioner.connect(id!, 0, never)).toBe(first)
    expect(await fleet.provisioner.connect(id!, 1, never)).not.toBe(first)
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(5000)
    expect(first.ended).toBeDefined()
  })

  it('says what is wrong: not there, not ready, no way to connect', async () => {
    await using fleet = await startFleet({ bootDelayMs: 60_000 })
    await expect(fleet.provisioner.connect('nobody', 0, never)).rejects.toMatchObject({ code: 'not_found' })
    const [id] = await fleet.launch(1)
    await expect(fleet.provisioner.connect(id!, 0, never)).rejects.toMatchObject({ code: 'not_ready' })
    await using bare = await startFleet({ connectable: false })
    const [unreached] = await bare.launch(1)
    await expect(bare.provisioner.connect(unreached!, 0, never)).rejects.toMatchObject({ code: 'invalid_config' })
  })

  it('by the connect info, when the group has no way of its own, and forgets what the connector remembers', async () => {
    const asked: string[] = []
    const forgotten: string[] = []
    const connector: Connector = {
      connect: async ({ instanceId, username }) => {
        asked.push(`${username}@${instanceId}`)
        return new MemoryConnection(instanceId, simpleShell)
      },
      forget: (id) => forgotten.push(id),
    }
    await using fleet = await startFleet({ connectable: false, provisioner: { connector } })
    const [id] = await fleet.launch(1)
    await fleet.provisioner.connect(id!, 0, never)
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(5000)
    expect([asked, forgotten]).toEqual([[`memory@${id}`], [id]])
  })

  it('that its caller gives up says nothing about the instance', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    for (let time = 0; time < 5; time += 1) {
      fleet.group.fail('connect', { kind: 'hang' })
      const controller = new AbortController()
      const connecting = fleet.provisioner.connect(id!, 0, controller.signal)
      connecting.catch(() => {})
      await fleet.clock.advance(10)
      controller.abort(new Error('enough'))
      await expect(connecting).rejects.toThrow('enough')
    }
    expect(fleet.instances[0]).toMatchObject({ healthy: true })
  })

  it('that fails on an instance that was good before keeps it from everybody until it answers again; then it stays', async () => {
    await using fleet = await startFleet()
    const [id] = await prove(fleet, 1)
    cut(fleet, [id!])
    await expect(fleet.provisioner.connect(id!, 0, never)).rejects.toMatchObject({ code: 'unreachable' })
    expect(fleet.instances[0]).toMatchObject({ healthy: false })
    cut(fleet, [])
    await fleet.clock.advance(35_000)
    expect(fleet.instances[0]).toMatchObject({ healthy: true })
    await fleet.clock.advance(600_000)
    expect(fleet.ids).toEqual([id])
  })

  it('that its caller gave up because the instance took too long counts like a failure', async () => {
    await using fleet = await startFleet()
    const [id] = await prove(fleet, 1)
    fleet.group.dropConnections()
    fleet.group.fail('connect', { kind: 'hang' })
    const limit = new AbortController()
    const connecting = fleet.provisioner.connect(id!, 0, limit.signal)
    connecting.catch(() => {})
    await fleet.clock.advance(10)
    limit.abort(new ConnectionError('unreachable', 'no connection within 30 s'))
    await expect(connecting).rejects.toMatchObject({ code: 'unreachable' })
    expect(fleet.instances[0]).toMatchObject({ healthy: false, failing: 'no connection within 30 s' })
  })

  it('counts a failure once, even when it is reported too', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    for (let time = 0; time < 2; time += 1) {
      fleet.group.fail('connect', new ConnectionError('unreachable', 'no route'))
      const error: Error = await fleet.provisioner.connect(id!, 0, never).then(
        () => new Error('connected'),
        (thrown: Error) => thrown,
      )
      fleet.provisioner.reportFailure(id!, error)
    }
    expect(fleet.instances[0]).toMatchObject({ healthy: true })
    fleet.provisioner.reportFailure(id!, new Error('the disk is full'))
    expect(fleet.instances[0]).toMatchObject({ healthy: false, failing: 'the disk is full' })
  })
})
