import type { ContainerInfo } from 'dockerode'
import { describe, expect, test } from 'vitest'
import { containerOptions, labels, listedInstance, sshFiles } from './container.ts'

const hostKey = { privateKey: 'PRIVATE', publicKey: 'ssh-ed25519 HOST' }
const settings = { image: 'i', fleet: 'my fleet/1', launchToken: 'tok:en', index: 2, hostKey }
const info = (State: string, Created = 0): ContainerInfo =>
  ({ Id: 'a'.repeat(64), State, Status: 'Up 3 seconds', Created, Labels: { [labels.launchToken]: 't' } }) as unknown as ContainerInfo

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
    expect(listedInstance(info(state), 0)).toEqual({ id: 'a'.repeat(12), state: expected, detail: 'Up 3 seconds', launchToken: 't' })
  })

  test('that was created and not started for a minute has failed', () => {
    expect(listedInstance(info('created', 1000), 1_060_000).state).toBe('creating')
    expect(listedInstance(info('created', 1000), 1_060_001)).toMatchObject({ state: 'failed', detail: 'created, but never started' })
  })
})
