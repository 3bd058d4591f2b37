import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import { describe, expect, test } from 'vitest'
import type { DockerSettings } from '../settings/docker-settings.ts'
import {
  type ContainerContext,
  type ContainerRequest,
  helperContainerParts,
  jobContainerParts,
  serviceContainerParts,
} from './host-config.ts'

const bridge = { mode: 'default', hasNames: false }
const ruby: ContainerRequest = { image: 'ruby:3', entrypoint: [] }

function context(settings: Partial<DockerSettings>, rest: Partial<ContainerContext> = {}): ContainerContext {
  return {
    settings: { ...plainSettings, ...settings },
    apiVersion: '1.41',
    labels: { job: '1' },
    network: bridge,
    binds: ['data:/data'],
    logBounds: { 'max-size': '1m' },
    expand: (text) => text.replace('$TEAM', 'red'),
    usesInit: false,
    ...rest,
  }
}

const bodies = (given: ContainerContext, request = ruby) => ({
  job: jobContainerParts(given, { request, hostname: 'runner', serviceHosts: [], aliases: ['build'] }).body,
  helper: helperContainerParts(given, { hostname: 'runner', serviceHosts: [] }).body,
  service: serviceContainerParts(given, { request, aliases: ['db'] }).body,
})

type Place = 'job' | 'helper' | 'service'
const all: readonly Place[] = ['job', 'helper', 'service']
const confined: readonly Place[] = ['job', 'helper']

describe('each setting says something to the Engine, where it is for', () => {
  test.each<[Partial<DockerSettings>, readonly Place[], object]>([
    [{ runtime: 'runc' }, all, { Runtime: 'runc' }],
    [{ usernsMode: 'host' }, all, { UsernsMode: 'host' }],
    [{ shmSizeBytes: 300_000 }, all, { ShmSize: 300_000 }],
    [{ isolation: 'default' }, all, { Isolation: 'default' }],
    [{ dns: ['8.8.8.8'] }, all, { Dns: ['8.8.8.8'] }],
    [{ dnsSearch: ['lan'] }, all, { DnsSearch: ['lan'] }],
    [{ extraHosts: ['a:1.2.3.4'] }, all, { ExtraHosts: ['a:1.2.3.4'] }],
    [
      { logOptions: { env: 'CI_JOB_ID', labels: 'team' } },
      all,
      { LogConfig: { Type: 'json-file', Config: { env: 'CI_JOB_ID', labels: 'team', 'max-size': '1m' } } },
    ],
    [{ memoryBytes: 4_000_000 }, confined, { Memory: 4_000_000 }],
    [{ memorySwapBytes: -1 }, confined, { MemorySwap: -1 }],
    [{ memoryReservationBytes: 5 }, confined, { MemoryReservation: 5 }],
    [{ nanoCpus: 5e8 }, confined, { NanoCpus: 5e8 }],
    [{ cpuShares: 512 }, confined, { CpuShares: 512 }],
    [{ cpusetCpus: '0' }, confined, { CpusetCpus: '0' }],
    [{ cpusetMems: '0' }, confined, { CpusetMems: '0' }],
    [{ cgroupParent: '/jobs' }, confined, { CgroupParent: '/jobs' }],
    [{ oomScoreAdjust: 7 }, confined, { OomScoreAdj: 7 }],
    [{ capDrop: ['KILL'] }, confined, { CapDrop: ['KILL'] }],
    [{ securityOpt: ['no-new-privileges'] }, confined, { SecurityOpt: ['no-new-privileges'] }],
    [{ sysctls: { a: '1' } }, confined, { Sysctls: { a: '1' } }],
    [
      { ulimits: [{ name: 'nofile', soft: 1, hard: 2 }] },
      confined,
      { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] },
    ],
    [{ volumesFrom: ['s:ro'] }, confined, { VolumesFrom: ['s:ro'] }],
    [{ volumeDriver: 'local' }, confined, { VolumeDriver: 'local' }],
    [{ pidMode: 'host' }, ['job'], { PidMode: 'host' }],
    [{ ipcMode: 'host' }, ['job'], { IpcMode: 'host' }],
    [{ privileged: true }, ['job', 'service'], { Privileged: true }],
    [{ groupAdd: ['docker'] }, ['job'], { GroupAdd: ['docker'] }],
    [{ capAdd: ['NET_ADMIN'] }, ['job'], { CapAdd: ['NET_ADMIN'] }],
    [{ deviceCgroupRules: ['c 1:3 mr'] }, ['job'], { DeviceCgroupRules: ['c 1:3 mr'] }],
    [{ links: ['a:b'] }, ['job'], { Links: ['a:b'] }],
    [{ tmpfs: { '/t': 'rw' } }, ['job'], { Tmpfs: { '/t': 'rw' } }],
    [{ oomKillDisable: true }, ['job'], { OomKillDisable: true }],
    [
      { devices: [{ hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'r' }] },
      ['job'],
      { Devices: [{ PathOnHost: '/dev/a', PathInContainer: '/dev/b', CgroupPermissions: 'r' }] },
    ],
    [
      { gpus: { count: 2, deviceIds: [], driver: 'nvidia', capabilities: ['gpu'], options: { a: 'b' } } },
      ['job'],
      { DeviceRequests: [{ Driver: 'nvidia', Count: 2, Capabilities: [['gpu']], Options: { a: 'b' } }] },
    ],
    [{ servicesPrivileged: true }, ['service'], { Privileged: true }],
    [{ servicesSecurityOpt: ['label=disable'] }, ['service'], { SecurityOpt: ['label=disable'] }],
    [{ servicesTmpfs: { '/db': 'rw' } }, ['service'], { Tmpfs: { '/db': 'rw' } }],
    [{ serviceMemoryBytes: 6 }, ['service'], { Memory: 6 }],
    [{ serviceMemorySwapBytes: 7 }, ['service'], { MemorySwap: 7 }],
    [{ serviceMemoryReservationBytes: 8 }, ['service'], { MemoryReservation: 8 }],
    [{ serviceNanoCpus: 9 }, ['service'], { NanoCpus: 9 }],
    [{ serviceCpuShares: 10 }, ['service'], { CpuShares: 10 }],
    [{ serviceCpusetCpus: '1' }, ['service'], { CpusetCpus: '1' }],
    [{ serviceCgroupParent: '/s' }, ['service'], { CgroupParent: '/s' }],
    [
      { serviceGpus: { deviceIds: ['0'], capabilities: ['gpu'], options: {} } },
      ['service'],
      { DeviceRequests: [{ DeviceIDs: ['0'], Capabilities: [['gpu']], Options: {} }] },
    ],
    [
      {
        servicesDevices: {
          'ruby:*': [{ hostPath: '/dev/a', containerPath: '/dev/a', permissions: 'rwm' }],
          'node:*': [{ hostPath: '/dev/b', containerPath: '/dev/b', permissions: 'rwm' }],
        },
      },
      ['service'],
      { Devices: [{ PathOnHost: '/dev/a', PathInContainer: '/dev/a', CgroupPermissions: 'rwm' }] },
    ],
  ])('%j', (settings, places, expected) => {
    const [plain, changed] = [bodies(context({})), bodies(context(settings))]
    for (const place of all) {
      const by = places.includes(place) ? expected : {}
      expect([place, changed[place].HostConfig]).toEqual([place, { ...plain[place].HostConfig, ...by }])
    }
  })
})

test('an image that is not in its list is not privileged', () => {
  const settings = {
    privileged: true,
    allowedPrivilegedImages: ['docker:*'],
    allowedPrivilegedServices: ['docker:*-dind'],
  }
  const privileged = (image: string) => {
    const { job, service } = bodies(context(settings), { image, entrypoint: [] })
    return [job.HostConfig?.Privileged, service.HostConfig?.Privileged]
  }
  expect(privileged('docker:27')).toEqual([true, false])
  expect(privileged('docker:27-dind')).toEqual([true, true])
  expect(privileged('ruby:3')).toEqual([false, false])
  const { service } = bodies(context({ privileged: true, servicesPrivileged: false }))
  expect(service.HostConfig?.Privileged).toBe(false)
})

test('a user of the settings wins, and one that is not allowed is refused by name', () => {
  const user = (settings: Partial<DockerSettings>, asked?: string) =>
    bodies(context(settings), { ...ruby, user: asked }).job.User
  expect(user({})).toBeUndefined()
  expect(user({}, '')).toBeUndefined()
  expect(user({}, 'app')).toBe('app')
  expect(user({ user: 'ci' }, 'app')).toBe('ci')
  expect(user({ allowedUsers: ['app'] }, 'app')).toBe('app')
  expect(user({ allowedUsers: ['app'] })).toBeUndefined()
  expect(() => user({ allowedUsers: ['app', 'ci'] }, 'root')).toThrow(
    expect.objectContaining({
      code: 'not_allowed',
      message: 'user "root" is not an allowed user (allowed_users of the runner): app, ci',
    }),
  )
  expect(() => user({ user: 'root', allowedUsers: ['app'] })).toThrow('user "root"')
})

test("the job's own words come through: entrypoint, platform, labels, host name", () => {
  const request = { ...ruby, entrypoint: ['/bin/run'], platform: 'linux/arm64' }
  const options = { request, hostname: 'runner-1', serviceHosts: ['db:10.0.0.2'], aliases: ['build'] }
  const settings = { containerLabels: { team: '$TEAM', job: 'other' } }
  const { platform, warnings, body } = jobContainerParts(context(settings), options)
  expect({ platform, warnings }).toEqual({ platform: 'linux/arm64', warnings: [] })
  expect(body).toMatchObject({
    Entrypoint: ['/bin/run'],
    Hostname: 'runner-1',
    Labels: { team: 'red', job: '1' },
    HostConfig: { ExtraHosts: ['db:10.0.0.2'], Binds: ['data:/data'], NetworkMode: 'default' },
  })
  expect(jobContainerParts(context({ hostname: 'builder' }), options).body.Hostname).toBe('builder')
  const refused = jobContainerParts(context({ disableEntrypointOverwrite: true }), options)
  expect(refused.body).not.toHaveProperty('Entrypoint')
  expect(refused.warnings).toEqual([
    'the entrypoint given for ruby:3 is ignored: disable_entrypoint_overwrite of the runner is set',
  ])
})

test('names are for networks that know them, and a MAC address is where the Engine takes it', () => {
  const own = { mode: 'job-1', hasNames: true, madeId: 'x' }
  const macAddress = '92:d0:c6:0a:29:33'
  const parts = (apiVersion: string, network = own) => bodies(context({ macAddress }, { apiVersion, network }))
  expect(parts('1.41').job).toMatchObject({
    MacAddress: macAddress,
    NetworkingConfig: { EndpointsConfig: { 'job-1': { Aliases: ['build'] } } },
  })
  expect(parts('1.44').job).not.toHaveProperty('MacAddress')
  expect(parts('1.44').job.NetworkingConfig).toEqual({
    EndpointsConfig: { 'job-1': { Aliases: ['build'], MacAddress: macAddress } },
  })
  expect(parts('1.41', { ...bridge, madeId: '' }).job).not.toHaveProperty('NetworkingConfig')
  expect(parts('1.41').service).not.toHaveProperty('MacAddress')
})

test('an init process is for containers of the job, not for its helper', () => {
  const { job, helper, service } = bodies(context({}, { usesInit: true }))
  expect([job, helper, service].map((body) => body.HostConfig?.Init)).toEqual([true, undefined, true])
})
