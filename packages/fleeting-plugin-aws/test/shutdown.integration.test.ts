// After a shutdown in order, nothing may be launched any more that nobody owns: the desired capacity is that of the
// machines that stay.

import { FakeAws } from '@runner-core/cloud-fakes'
import { type Connector, systemClock as clock, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { signal } = new AbortController()
const connector: Connector = { connect: () => Promise.reject(new Error('nobody works on these machines')) }
const settings = {
  updateIntervalWhenExpectingMs: 20,
  listLagMs: 20,
  shutdownDeletionIntervalMs: 5000,
  health: { checkIntervalMs: 0 },
}
const removeAll = { removeInstances: true, timeoutMs: 500 }

let cleanUp: AsyncDisposableStack
let fake: FakeAws
beforeEach(async () => {
  cleanUp = new AsyncDisposableStack()
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
  fake = cleanUp.use(await FakeAws.start({ clock }))
})
afterEach(() => cleanUp.disposeAsync())

async function start(isBusy: (id: string) => boolean = () => false): Promise<Provisioner> {
  const { privateKey } = await newKeyPair()
  const context = {
    fleet: 'test',
    connector: { privateKey, useStaticCredentials: true },
    logger: silentLogger,
    clock,
    random,
  }
  const group = createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url }, context)
  return cleanUp.use(await Provisioner.start({ group, connector, settings, isBusy, clock, random }, signal))
}

/** Resolves once the provisioner shows what is looked for. */
function until(provisioner: Provisioner, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds()) return
      stop()
      resolve()
    }
    const stop = provisioner.onChange(look)
    look()
  })
}

const hasLaunch = (provisioner: Provisioner, phase: string) => (): boolean =>
  provisioner.launchState().outstanding.some((launch) => launch.phase === phase)

/** The group cannot launch, and makes no attempt; answers how to end that. */
function suspendLaunch(): () => void {
  const { suspendedProcesses } = fake.settings
  fake.settings.suspendedProcesses = [...suspendedProcesses, 'Launch']
  return () => {
    fake.settings.suspendedProcesses = suspendedProcesses
  }
}

test('what was taken although the answer said otherwise, and has not come, is given back', async () => {
  const resumeLaunch = suspendLaunch()
  const provisioner = await start()
  fake.controls.inject!({ kind: 'lost_answer', on: 'increase' })
  provisioner.request(3, { reason: 'test' })
  await until(provisioner, hasLaunch(provisioner, 'uncertain'))
  expect(fake.desiredCapacity).toBe(3)
  expect(await provisioner.shutdown(removeAll)).toEqual({ remaining: [] })
  expect(fake.desiredCapacity).toBe(0)
  resumeLaunch()
  expect(fake.controls.machines()).toEqual([])
})

test('what was accepted and has not come is given back', async () => {
  const resumeLaunch = suspendLaunch()
  const provisioner = await start()
  provisioner.request(3, { reason: 'test' })
  await until(provisioner, hasLaunch(provisioner, 'accepted'))
  expect(await provisioner.shutdown(removeAll)).toEqual({ remaining: [] })
  expect(fake.desiredCapacity).toBe(0)
  resumeLaunch()
  expect(fake.controls.machines()).toEqual([])
})

test('what an earlier process asked for, and nobody knows of, is given back; also when the first answer to that is lost', async () => {
  suspendLaunch()
  await fake.controls.resize!(3)
  fake.controls.inject!({ kind: 'lost_answer', on: 'decrease', times: 1 })
  const provisioner = await start()
  expect(await provisioner.shutdown(removeAll)).toEqual({ remaining: [] })
  expect(fake.desiredCapacity).toBe(0)
})

test('machines at work keep their places', async () => {
  const provisioner = await start(() => true)
  provisioner.request(2, { reason: 'test' })
  await until(provisioner, () => provisioner.counts().running === 2)
  suspendLaunch()
  provisioner.request(3, { reason: 'test' })
  await until(provisioner, hasLaunch(provisioner, 'accepted'))
  const atWork = fake.controls.machines()
  expect((await provisioner.shutdown(removeAll)).remaining.toSorted()).toEqual(atWork.toSorted())
  expect(fake.desiredCapacity).toBe(2)
  expect(fake.controls.machines()).toEqual(atWork)
})

test('what cannot be given back is named: AWS could end a machine at work instead', async () => {
  suspendLaunch()
  fake.settings.protectsNewInstances = false
  await fake.controls.resize!(3)
  const provisioner = await start()
  expect(await provisioner.shutdown(removeAll)).toEqual({ remaining: ['3 requested instances that have not appeared'] })
  expect(fake.desiredCapacity).toBe(3)
})

test('who leaves the machines to the next process leaves that too', async () => {
  suspendLaunch()
  const provisioner = await start()
  provisioner.request(3, { reason: 'test' })
  await until(provisioner, hasLaunch(provisioner, 'accepted'))
  await provisioner.shutdown({ removeInstances: false })
  expect(fake.desiredCapacity).toBe(3)
})
