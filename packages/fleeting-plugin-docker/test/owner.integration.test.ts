// Two managers, each with a state of its own, on one fleet's containers of a real daemon.
import { execFileSync } from 'node:child_process'
import { type InstanceGroup, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { GroupOwnedError, Provisioner, type ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import { MemoryStateStore } from '@runner-core/fleeting/state'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { afterAll, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const image = 'runner-core-sshd'
const missing = await dockerMissing(image)
if (missing !== undefined) console.warn(`SKIPPED: two managers on a Docker daemon: ${missing}`)

const { signal } = new AbortController()
const fleet = `test-owner-${process.pid}`
const docker = (...args: string[]): string[] =>
  execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
const containers = (): string[] => docker('ps', '--quiet', '--filter', `label=runner-core.fleet=${fleet}`)
const volumes = (name: string): string[] =>
  docker('volume', 'ls', '--quiet', '--filter', `label=runner-core.owned-fleet=${name}`)

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

function makeGroup(name = fleet): InstanceGroup {
  const context = { fleet: name, connector: {}, logger: silentLogger, clock: systemClock, random: systemRandom }
  return createInstanceGroup({ image, max_size: 3 }, context)
}

/** A manager with a state that nobody else has. */
async function startManager(name: string, mayTake: 'own' | 'any' = 'own'): Promise<Provisioner> {
  const options: ProvisionerOptions = {
    group: makeGroup(),
    lease: await new MemoryStateStore().lease('test'),
    owner: { name, mayTake },
    settings: { deletionRetryIntervalMs: 1000 },
  }
  return Provisioner.start(options, signal)
}

describe.skipIf(missing !== undefined)('two managers on one Docker daemon', () => {
  afterAll(() => {
    const left = docker('ps', '--all', '--quiet', '--filter', `label=runner-core.fleet=${fleet}`)
    if (left.length > 0) docker('rm', '--force', ...left)
    const owned = [fleet, `${fleet}-another`].flatMap(volumes)
    if (owned.length > 0) docker('volume', 'rm', ...owned)
  })

  test('the second is refused; when it takes the fleet over, the first deletes nothing any more; in the end nothing is left', async () => {
    const first = await startManager('the first')
    first.request(2, { reason: 'test' })
    await until(() => [...first.instances().values()].filter(({ state }) => state === 'running').length === 2)
    const ids = [...first.instances().keys()]
    await expect(startManager('the second')).rejects.toMatchObject({
      code: 'group_owned',
      owner: { name: 'the first', epoch: 1 },
      message: expect.stringContaining(`docker/${fleet} belongs to the first`),
    })
    expect(containers()).toHaveLength(2)

    const second = await startManager('the second', 'any')
    expect(volumes(fleet)).toHaveLength(1)
    first.remove(ids, 'test')
    await until(() => first.fenced !== undefined)
    expect(first.fenced).toBeInstanceOf(GroupOwnedError)
    expect(first.fenced).toMatchObject({ owner: { name: 'the second' } })
    await first.shutdown({ removeInstances: true })
    expect(containers()).toHaveLength(2)

    second.remove(ids.slice(0, 1), 'test')
    await until(() => containers().length === 1)
    expect(await second.shutdown({ removeInstances: true })).toEqual({ remaining: [] })
    expect([containers(), volumes(fleet)]).toEqual([[], []])
  })

  test('an owner is of its fleet alone', async () => {
    const [one, another] = [makeGroup(), makeGroup(`${fleet}-another`)]
    await Promise.all([one, another].map((group) => group.init(signal)))
    const owner = { id: 'here', name: 'fleet test', epoch: 1, since: 0 }
    await one.claim!(owner, signal)
    expect(await another.owners!(signal)).toEqual([])
    await another.claim!({ ...owner, id: 'there' }, signal)
    await another.claim!(undefined, signal)
    expect(await one.owners!(signal)).toEqual([owner])
    await one.claim!(undefined, signal)
    expect([volumes(fleet), volumes(`${fleet}-another`)]).toEqual([[], []])
    await Promise.all([one, another].map((group) => group.shutdown()))
  })
})
