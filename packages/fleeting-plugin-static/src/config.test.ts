import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from './config.ts'

const hostKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzXWyOlw7oC8uaulBcO5DD48/hoeQJQu2hBaL4eKQyz'
const shared = { username: 'ci', password: 'shared' }
const noWarning = (key: string): void => expect.unreachable(key)

let directory: string
let keyPath: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'static-config-'))
  keyPath = join(directory, 'key')
  writeFileSync(keyPath, 'KEY')
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('parseConfig', () => {
  test("reads hosts as upstream's plugin does, in their order", () => {
    const instances = {
      web: {
        internal_addr: '10.0.0.1',
        external_addr: 'web.example:2222',
        username: 'root',
        password: 'x',
        host_key: hostKey,
      },
      db: {
        external_addr: '[::1]:22',
        protocol_port: 2200,
        key_path: keyPath,
        os: 'darwin',
        arch: 'arm64',
        protocol: 'ssh',
      },
    }
    expect(parseConfig({ instances }, { ...shared, os: 'linux' }, noWarning).hosts).toEqual([
      {
        name: 'web',
        target: {
          protocol: 'ssh',
          username: 'root',
          internalAddress: '10.0.0.1',
          externalAddress: 'web.example:2222',
          hostKeys: [hostKey],
          os: 'linux',
        },
        password: 'x',
        keyPath: undefined,
        privateKey: undefined,
      },
      {
        name: 'db',
        target: {
          protocol: 'ssh',
          username: 'ci',
          externalAddress: '[::1]:22',
          port: 2200,
          hostKeys: [],
          os: 'darwin',
          arch: 'arm64',
        },
        password: undefined,
        keyPath,
        privateKey: 'KEY',
      },
    ])
  })

  test('names every problem of every host at once, without secrets', () => {
    const instances = {
      a: { internal_addr: 'host:port', host_key: 'AAAA', password: 17 },
      b: { username: 'ci', key_file: 'x' },
      c: 'host',
      d: { internal_addr: 'd', username: 'ci', key_path: '/nowhere/key' },
    }
    expect(() => parseConfig({ instances }, {}, noWarning)).toThrow(
      [
        'plugin_config.instances.a.internal_addr: expected host, host:port or [IPv6]:port, got "host:port"',
        'plugin_config.instances.a.password: expected a string that is not empty, got a number',
        'plugin_config.instances.a.username: expected a user name here or in connector_config, got nothing',
        'plugin_config.instances.a.host_key: expected host keys like "ssh-ed25519 AAAA…", got "AAAA"',
        'plugin_config.instances.b.internal_addr: expected an address here or in external_addr, got nothing',
        'plugin_config.instances.b.key_path: expected a key or a password here or in connector_config, got nothing',
        'plugin_config.instances.b.key_file: expected no such key (did you mean key_path?), got string',
        'plugin_config.instances.c: expected a table, got a string',
        "plugin_config.instances.d.key_path: expected a private key's file that can be read, got ENOENT",
      ].join('\n'),
    )
  })

  test('does not show a key that stands where its path should', () => {
    const instances = { a: { internal_addr: 'a', username: 'ci', key_path: '-----BEGIN\nhunter2' } }
    expect(() => parseConfig({ instances }, {}, noWarning)).toThrow(
      /^plugin_config.instances.a.key_path: expected a private key's file that can be read, got text of several lines$/,
    )
  })

  test('wants a host', () => {
    expect(() => parseConfig(undefined, shared, noWarning)).toThrow(
      'plugin_config.instances: expected at least one host',
    )
  })

  test('wants host keys where none may be pinned', () => {
    const instances = { a: { internal_addr: 'a' } }
    expect(() => parseConfig({ instances }, { ...shared, hostKeyChecking: 'strict' }, noWarning)).toThrow(
      'host key checking is strict',
    )
  })

  test('warns of keys that it understands and does not use', () => {
    const warned: string[] = []
    parseConfig({ instances: { a: { internal_addr: 'a', timeout: '5m' } } }, shared, (key) => warned.push(key))
    expect(warned).toEqual(['instances.a.timeout'])
  })
})
