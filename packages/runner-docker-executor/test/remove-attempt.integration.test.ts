import { randomBytes } from 'node:crypto'
import { systemClock } from '@runner-core/fleeting'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { attemptLabel, attemptLabels } from '../src/cleanup/labels.ts'
import { removeAttempt } from '../src/cleanup/remove-attempt.ts'
import { sweepEngine } from '../src/cleanup/sweep-engine.ts'
import { helperContainerName, jobContainerName } from '../src/containers/container-names.ts'
import type { Engine } from '../src/engine/engine.ts'
import { LocalEngine } from './local-engine.ts'
import { docker, makeImage } from './service-image.ts'

if (!hasEngine) console.warn('SKIPPED: removing what an attempt left on an Engine: none answers')

const never = new AbortController().signal
const local = new LocalEngine()
const fleet = `removal-test-${process.pid}/token/s_1`

describe.skipIf(!hasEngine)('what an attempt left on an Engine', () => {
  let engine: Engine
  const attempts: string[] = []
  beforeAll(async () => {
    makeBusyboxImage()
    engine = await local.link(local.acquisition()).engine(never)
    return () => engine.close()
  })
  afterEach(async () => {
    for (const attempt of attempts.splice(0))
      await removeAttempt(engine, attempt, { clock: systemClock, signal: never })
  })

  /** Containers that run and were never started, a network and a volume. */
  async function make(): Promise<string> {
    const attempt = randomBytes(6).toString('hex')
    attempts.push(attempt)
    const Labels = attemptLabels({ fleet, attempt, job: 1, project: 7, expiresAt: 0 })
    const name = `removal-test-${attempt}`
    await engine.docker.createVolume({ Name: name, Labels })
    await engine.docker.createNetwork({ Name: name, Labels })
    const HostConfig = { Binds: [`${name}:/builds`], NetworkMode: name }
    const options = { Image: busyboxImage, Cmd: ['sleep', '600'], Labels, HostConfig }
    await (await engine.docker.createContainer({ ...options, name: jobContainerName(attempt) })).start()
    await engine.docker.createContainer({ ...options, name: helperContainerName(attempt, 0) })
    return attempt
  }

  function left(attempt: string): string[] {
    const filter = ['--quiet', '--filter', `label=${attemptLabel}=${attempt}`]
    const lists = [
      docker('ps', '--all', ...filter),
      docker('network', 'ls', ...filter),
      docker('volume', 'ls', ...filter),
    ]
    return lists.flatMap((list) => list.split('\n').filter(Boolean))
  }

  test('is removed, its volumes too, and nothing of another attempt', async () => {
    const [one, other] = [await make(), await make()]
    await removeAttempt(engine, one, { clock: systemClock, signal: never })
    expect(left(one)).toEqual([])
    expect(left(other)).toHaveLength(4)
    await removeAttempt(engine, one, { clock: systemClock, signal: never })
  })

  test('is removed once it is in use no more: an Engine may take a while to let go of it', async () => {
    const attempt = await make()
    const name = `removal-test-${attempt}`
    docker('run', '-d', '--rm', '--network', name, '-v', `${name}:/x`, busyboxImage, 'sleep', '4')
    await removeAttempt(engine, attempt, { clock: systemClock, signal: never })
    expect(left(attempt)).toEqual([])
  })

  test('is removed without a container of an image that the job made of its own, which has the same labels', async () => {
    const attempt = await make()
    const image = `removal-test-${attempt}`
    // As of `docker commit`, whose request Podman does not understand.
    const labels = attemptLabels({ fleet, attempt, job: 1, project: 7, expiresAt: 0 })
    const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`)
    makeImage(image, 'CMD ["true"]', ...changes)
    const foreign = docker('create', '--network', 'none', image).trim()
    onTestFinished(() => {
      docker('rm', '--force', '--volumes', foreign)
      docker('rmi', image)
    })
    const isActive = (): boolean => false
    expect(await sweepEngine(engine, { fleet, isActive, clock: systemClock, signal: never })).toEqual([attempt])
    expect(left(attempt).map((id) => foreign.startsWith(id))).toEqual([true])
    expect(await sweepEngine(engine, { fleet, isActive, clock: systemClock, signal: never })).toEqual([])
  })

  test('is swept unless it is under way', async () => {
    const [one, other] = [await make(), await make()]
    const isActive = (attempt: string): boolean => attempt === other
    expect(await sweepEngine(engine, { fleet, isActive, clock: systemClock, signal: never })).toEqual([one])
    expect(left(one)).toEqual([])
    expect(left(other)).toHaveLength(4)
  })
})
