import { connect } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import { hasEngine } from '@runner-core/testkit/containers/busybox-image'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createContainer } from '../src/containers/create-container.ts'
import {
  type ContainerContext,
  type ContainerParts,
  helperContainerParts,
  jobContainerParts,
  serviceContainerParts,
} from '../src/containers/host-config.ts'
import { Engine } from '../src/engine/engine.ts'
import type { DockerSettings } from '../src/settings/docker-settings.ts'
import { docker, makeImage } from './service-image.ts'

if (!hasEngine) console.warn('SKIPPED: settings of containers against an Engine: none answers')

const image = `runner-core-host-config:${process.pid}`
const never = new AbortController().signal

/** An Engine gives what is empty as null, 0 or not at all, capabilities by whole names, and adds a label of its own. */
function withoutEmpty(value: object): Record<string, unknown> {
  const text = JSON.stringify(value, (key, each: unknown) => {
    if (Array.isArray(each) && /^Cap(Add|Drop)$/.test(key)) return each.map((name: string) => name.replace(/^CAP_/, ''))
    if (Array.isArray(each) && key === 'SecurityOpt') return each.filter((option) => option !== 'label=disable')
    const isEmpty =
      [null, '', 0].includes(each as null) || (typeof each === 'object' && Object.keys(each!).length === 0)
    return isEmpty ? undefined : each
  })
  return JSON.parse(text) as Record<string, unknown>
}

/** All that this Engine can do. */
const everything: DockerSettings = {
  ...plainSettings,
  privileged: true,
  servicesPrivileged: true,
  capAdd: ['NET_ADMIN'],
  capDrop: ['KILL'],
  securityOpt: ['no-new-privileges', 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'],
  servicesSecurityOpt: ['seccomp=unconfined'],
  user: '1000',
  groupAdd: ['27'],
  usernsMode: 'host',
  runtime: 'runc',
  isolation: 'default',
  pidMode: 'host',
  ipcMode: 'private',
  sysctls: { 'net.ipv4.ip_forward': '1' },
  ulimits: [{ name: 'nofile', soft: 1024, hard: 2048 }],
  devices: [{ hostPath: '/dev/null', containerPath: '/dev/nothing', permissions: 'r' }],
  deviceCgroupRules: ['c 1:3 mr'],
  servicesDevices: { 'runner-core-*:*': [{ hostPath: '/dev/zero', containerPath: '/dev/zero', permissions: 'rwm' }] },
  memoryBytes: 64 * 1024 * 1024,
  memorySwapBytes: 128 * 1024 * 1024,
  memoryReservationBytes: 32 * 1024 * 1024,
  nanoCpus: 5e8,
  cpuShares: 512,
  cpusetCpus: '0',
  cpusetMems: '0',
  cgroupParent: '/runner-core-test',
  shmSizeBytes: 300_000,
  oomKillDisable: true,
  oomScoreAdjust: 10,
  serviceMemoryBytes: 32 * 1024 * 1024,
  serviceMemorySwapBytes: 64 * 1024 * 1024,
  serviceMemoryReservationBytes: 16 * 1024 * 1024,
  serviceNanoCpus: 25e7,
  serviceCpuShares: 256,
  serviceCpusetCpus: '0',
  serviceCgroupParent: '/runner-core-test-services',
  gpus: { count: -1, deviceIds: [], capabilities: ['gpu'], options: {} },
  serviceGpus: { deviceIds: ['0'], capabilities: ['gpu'], options: {} },
  hostname: 'builder',
  dns: ['8.8.8.8'],
  dnsSearch: ['example.com'],
  extraHosts: ['other:127.0.0.1'],
  macAddress: '92:d0:c6:0a:29:33',
  tmpfs: { '/scratch': 'rw,noexec' },
  servicesTmpfs: { '/db': 'rw' },
  containerLabels: { team: 'red' },
  logOptions: { env: 'CI_JOB_ID', labels: 'team' },
}

describe.skipIf(!hasEngine)('an Engine', () => {
  let engine: Engine
  const made: string[] = []
  const context: ContainerContext = {
    settings: everything,
    apiVersion: '1.41',
    labels: { 'runner-core.test': String(process.pid) },
    network: { mode: 'default', hasNames: false },
    binds: [],
    logBounds: { 'max-size': '1m', 'max-file': '2' },
    expand: (text) => text,
    usesInit: true,
  }
  const request = { image, entrypoint: [], platform: 'linux/amd64' }
  const job = { request, hostname: 'h', serviceHosts: ['db:127.0.0.2'], aliases: [] }

  beforeAll(async () => {
    makeImage(image, 'CMD ["sleep", "60"]')
    const dial = async () => connect(engineSocket())
    engine = await Engine.open({ dial, clock: systemClock, signal: never })
  })
  afterAll(() => {
    for (const id of made) docker('rm', '--force', '--volumes', id)
    docker('rmi', image)
    engine.close()
  })

  async function create({ body, platform }: Pick<ContainerParts, 'body' | 'platform'>) {
    const id = await createContainer(
      engine,
      'creating a container',
      { name: `runner-core-test-${process.pid}-${made.length}`, platform, body: { Image: image, ...body } },
      never,
    )
    made.push(id)
    return await engine.docker.getContainer(id).inspect()
  }

  test.each([
    ['a job', () => jobContainerParts(context, job)],
    ['its helper', () => helperContainerParts(context, job)],
    ['a service', () => serviceContainerParts(context, job)],
  ])('takes all settings of %s, and has them as they were said', async (_who, parts) => {
    const { body } = parts()
    const { Config: config, HostConfig: host } = await create(parts())
    const said = withoutEmpty(body.HostConfig ?? {})
    const kept = withoutEmpty(host)
    expect(Object.fromEntries(Object.keys(said).map((key) => [key, kept[key]]))).toEqual(said)
    expect(config.Labels).toEqual(body.Labels)
    if (body.User !== undefined) expect(config.User).toBe('1000')
    if (body.Hostname !== undefined) expect(config.Hostname).toBe('builder')
  })

  test('runs a container with all of it but GPUs', async () => {
    const { gpus: _gpus, oomKillDisable: _killDisable, ...without } = everything
    const given = { ...context, settings: { ...plainSettings, ...without } }
    const { Id: id } = await create(jobContainerParts(given, job))
    await engine.call('starting', never, (client) => client.getContainer(id).start())
    const shown = docker('exec', id, 'sh', '-c', 'id -u; id -G; ulimit -n; cat /etc/hosts; df /scratch; hostname')
    expect(shown).toMatch(/^1000\n.*\b27\b.*\n1024\n/)
    expect(shown).toMatch(/127\.0\.0\.2\s+db/)
    expect(shown).toMatch(/\/scratch\nbuilder$/)
  })

  test('says what it cannot do, by name', async () => {
    const settings = { ...plainSettings, runtime: 'no-such-runtime' }
    const parts = jobContainerParts({ ...context, settings }, job)
    await expect(create(parts)).rejects.toThrow(/^creating a container: .*no-such-runtime/)
  })
})

test.skipIf(!hasEngine)('no variable of a container is part of a URL', async () => {
  const asked: string[] = []
  const dial = async () => {
    const socket = connect(engineSocket())
    const write = socket.write.bind(socket)
    socket.write = ((chunk: never, ...rest: []) => {
      asked.push(String(chunk))
      return write(chunk, ...rest)
    }) as typeof socket.write
    return socket
  }
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  const body = { Image: 'no-such-image', Env: ['PASSWORD=hunter2'] }
  await expect(createContainer(engine, 'creating', { name: 'x', body }, never)).rejects.toMatchObject({
    code: 'not_found',
  })
  engine.close()
  const heads = asked.map((text) => text.split('\r\n')[0])
  expect(heads).toContain('POST /v1.41/containers/create?name=x HTTP/1.1')
  expect(heads.join('\n')).not.toContain('hunter2')
})
