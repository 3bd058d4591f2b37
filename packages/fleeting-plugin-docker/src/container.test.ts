import type { ContainerInfo } from 'dockerode'
import { describe, expect, test } from 'vitest'
import { containerOptions, labels, listedInstance, sshFiles } from './container.ts'

const hostKey = { privateKey: 'PRIVATE', publicKey: 'ssh-ed25519 HOST' }
const settings = { image: 'i', fleet: 'my fleet/1', launchToken: 'tok:en', index: 2, hostKey }
const info = (State: string, Created = 0): ContainerInfo =>
  ({
    Id: 'a'.repeat(64),
    State,
    Status: 'Up 3 seconds',
    Created,
    Labels: { [labels.launchToken]: 't' },
  }) as unknown as ContainerInfo

describe('a container', () => {
  test('has a name that Docker takes, labels that tell whose it is, and a port on the loopback address only', () => {
    const options = containerOptions(settings)
    expect(options.name).toBe('my-fleet-1-tok-en-2')
    expect(options.Labels).toMatchObject({ [labels.fleet]: 'my fleet/1', [labels.launchToken]: 'tok:en' })
    expect(options.HostConfig?.PortBindings).toEqual({ '22/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] })
    expect(containerOptions({ ...settings, fleet: '-x' }).name).toMatch(/^[a-zA-Z0-9]/)
  })

  test('never shows a private key to who inspects it', () => {
    expect(JSON.stringify(containerOptions(settings))).not.toContain('PRIVATE')
    expect(sshFiles(hostKey, 'ssh-ed25519 US')).toEqual([
      { name: 'ssh_host_ed25519_key', mode: 0o600, content: 'PRIVATE' },
      { name: 'authorized_keys', mode: 0o644, content: 'ssh-ed25519 US\n' },
    ])
  })

  test.each([
    ['created', 'creating'],
    ['restarting', 'creating'],
    ['running', 'running'],
    ['removing', 'deleting'],
    ['exited', 'failed'],
    ['dead', 'failed'],
    ['paused', 'unknown'],
    ['a word of a later Docker', 'unknown'],
  ])('in state %s is listed as %s', (state, expected) => {
    expect(listedInstance(info(state), 0)).toEqual({
      id: 'a'.repeat(12),
      state: expected,
      detail: 'Up',
      launchToken: 't',
    })
  })

  test.each([
    ['Up 3 seconds', 'Up'],
    ['Up Less than a second', 'Up'],
    ['Up About an hour (unhealthy)', 'Up (unhealthy)'],
    ['Exited (137) 2 minutes ago', 'Exited (137)'],
    ['Exited (0) About a minute ago', 'Exited (0)'],
    ['Exited (255) Less than a second ago', 'Exited (255)'],
    ['Restarting (1) 5 seconds ago', 'Restarting (1)'],
    ['Removal In Progress', 'Removal In Progress'],
    ['', 'running'],
  ])('whose status is %j is listed as %j, without times that change with each list', (Status, detail) => {
    expect(listedInstance({ ...info('running'), Status }, 0).detail).toBe(detail)
  })

  test('that was created and not started for a minute has failed', () => {
    expect(listedInstance(info('created', 1000), 1_060_000).state).toBe('creating')
    expect(listedInstance(info('created', 1000), 1_060_001)).toMatchObject({
      state: 'failed',
      detail: 'created but never started',
    })
  })
})
