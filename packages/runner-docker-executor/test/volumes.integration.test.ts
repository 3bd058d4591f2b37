import { connect } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { buildChangedImage } from '@runner-core/testkit/containers/changed-image'
import { isPodman } from '@runner-core/testkit/containers/engine-kind'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createContainer } from '../src/containers/create-container.ts'
import { Engine } from '../src/engine/engine.ts'
import { parseVolumeSpec, type VolumeSpec } from '../src/settings/volume-spec.ts'
import { makeVolumes, openDirectories } from '../src/volumes/engine-volumes.ts'
import { type MountPlan, type MountPlanOptions, planMounts } from '../src/volumes/mount-plan.ts'
import { docker } from './service-image.ts'

if (!hasEngine) console.warn('SKIPPED: volumes against an Engine: none answers')
else if (isPodman)
  console.warn('SKIPPED: directories that a job closed or an image links: Podman changes no mode of what is there')

const never = new AbortController().signal
const label = `runner-core.volumes-test=${process.pid}`
const labels = Object.fromEntries([label.split('=')]) as Record<string, string>

describe.skipIf(!hasEngine)('volumes of an Engine', () => {
  let engine: Engine
  const made: string[] = []
  beforeAll(async () => {
    makeBusyboxImage()
    engine = await Engine.open({ dial: async () => connect(engineSocket()), clock: systemClock, signal: never })
  })
  afterEach(() => {
    for (const id of made.splice(0)) docker('rm', '--force', '--volumes', id)
    for (const name of lines(docker('volume', 'ls', '--quiet', '--filter', `label=${label}`)))
      docker('volume', 'rm', name)
  })
  afterAll(() => engine.close())

  const lines = (text: string): string[] => text.split('\n').filter(Boolean)

  function plan(volumes: string[], rest: Partial<MountPlanOptions> = {}): MountPlan {
    return planMounts({
      settings: { volumes: volumes.map((text) => parseVolumeSpec(text) as VolumeSpec), disableCache: false, tmpfs: {} },
      owner: { shortToken: 'test', systemId: String(process.pid), projectId: 1, concurrentId: 0 },
      attempt: '1',
      buildsDir: '/builds',
      cacheDir: '/cache',
      keepsBuilds: true,
      isProtected: false,
      isOpen: false,
      expand: (text) => text,
      ...rest,
    })
  }

  async function prepare(mounts: MountPlan, user: string, script: string): Promise<string> {
    const settings = { volumeDriverOptions: {} }
    const { volumes } = mounts
    await makeVolumes(engine, { settings, volumes, labels: { ...labels, attempt: '1' }, lastingLabels: labels }, never)
    const name = `runner-core-volumes-${process.pid}-${made.length}`
    const body = {
      Image: busyboxImage,
      Cmd: ['sh', '-c', script],
      User: user,
      HostConfig: { Binds: [...mounts.binds] },
    }
    made.push(await createContainer(engine, 'creating', { name, body }, never))
    await openDirectories(engine, made.at(-1)!, mounts, never)
    return made.at(-1)!
  }

  test('any user can write to them, and the next job finds what was written', async () => {
    const mounts = plan(['/deep/er'])
    const write = 'set -e; umask 022; id -u; mkdir /builds/p; echo fetched > /builds/p/file; touch /cache/c /deep/er/d'
    expect(docker('start', '--attach', await prepare(mounts, '1234', write))).toBe('1234')
    const read = 'cat /builds/p/file; rm -r /builds/p; ls -A /builds; ls -d /cache/* /deep/er/*; stat -c %a /builds'
    const shown = docker('start', '--attach', await prepare(plan(['/deep/er']), '0', read))
    expect(lines(shown)).toEqual(['fetched', '/cache/c', '/deep/er/d', '777'])
  })

  test.skipIf(isPodman)('a job that closes its directory closes it for itself alone', async () => {
    docker('start', '--attach', await prepare(plan([]), '1234', 'true'))
    docker('start', '--attach', await prepare(plan([]), '0', 'chmod 700 /builds'))
    expect(docker('start', '--attach', await prepare(plan([]), '1234', 'touch /builds/x && echo written'))).toBe(
      'written',
    )
  })

  test.skipIf(isPodman)('a link in the image is followed to where it leads', async () => {
    const image = `runner-core-link:${process.pid}`
    buildChangedImage(image, 'RUN ln -s /tmp /linked')
    try {
      const mounts = plan(['/linked'])
      await makeVolumes(
        engine,
        { settings: { volumeDriverOptions: {} }, volumes: mounts.volumes, labels, lastingLabels: labels },
        never,
      )
      const body = {
        Image: image,
        Cmd: ['sh', '-c', 'touch /linked/x && ls -ld /linked'],
        User: '99',
        HostConfig: { Binds: [...mounts.binds] },
      }
      made.push(await createContainer(engine, 'creating', { name: `runner-core-linked-${process.pid}`, body }, never))
      await openDirectories(engine, made.at(-1)!, mounts, never)
      expect(docker('start', '--attach', made.at(-1)!)).toMatch(/linked -> /)
    } finally {
      for (const id of made.splice(0)) docker('rm', '--force', id)
      docker('rmi', image)
    }
  })
})
