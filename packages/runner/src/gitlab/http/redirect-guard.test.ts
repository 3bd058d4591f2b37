import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { addressKind, RedirectGuard } from './redirect-guard.ts'

/** Names and their addresses. */
const names: Readonly<Record<string, readonly string[]>> = {
  'gitlab.example': ['93.184.216.34'],
  localhost: ['127.0.0.1'],
  'gitlab.lan': ['10.0.0.2', 'fd00::2'],
  'bucket.example': ['93.184.216.35'],
  'minio.lan': ['10.0.0.3'],
  'rebound.example': ['169.254.169.254'],
  'mixed.example': ['10.0.0.4', '93.184.216.36'],
}

const lookup: LookupFunction = (name, _options, callback) => {
  const addresses = names[name]
  if (addresses === undefined) callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '')
  else
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

/** Where a redirect leads to, or why it is not followed. */
async function follow(
  to: string,
  { coordinator = 'https://gitlab.example', artifactHosts = [] as string[] } = {},
): Promise<string> {
  const guard = new RedirectGuard({ coordinator: new URL(coordinator), artifactHosts, lookup })
  const url = new URL(to)
  try {
    await guard.check(new URL(coordinator), url)
    return await new Promise<string>((resolve, reject) => {
      const name = url.hostname
      if (names[name] === undefined) resolve(name)
      else
        guard.lookupFor(url)(name, { all: true }, (error, addresses) =>
          error === null ? resolve((addresses as LookupAddress[]).map(({ address }) => address).join()) : reject(error),
        )
    })
  } catch (error) {
    return (error as Error).message
  }
}

test.each([
  ['169.254.169.254', 'reserved'],
  ['::ffff:169.254.169.254', 'reserved'],
  ['64:ff9b::a9fe:a9fe', 'reserved'],
  ['2002:a9fe:a9fe::1', 'reserved'],
  ['fe80::1', 'reserved'],
  ['fd00:ec2::254', 'reserved'],
  ['100.100.100.200', 'reserved'],
  ['168.63.129.16', 'reserved'],
  ['127.0.0.1', 'private'],
  ['0.0.0.0', 'private'],
  ['10.1.2.3', 'private'],
  ['172.31.0.1', 'private'],
  ['172.32.0.1', 'public'],
  ['192.168.1.1', 'private'],
  ['::1', 'private'],
  ['::', 'private'],
  ['::ffff:10.0.0.1', 'private'],
  ['fd12::1', 'private'],
  ['93.184.216.34', 'public'],
  ['2606:2800:220:1::1', 'public'],
])('the address %s is %s', (address, kind) => {
  expect(addressKind(address)).toBe(kind)
})

test.each([
  ['a literal address of the link', 'https://169.254.169.254/latest/meta-data'],
  ['the same in another notation', 'https://0xa9fea9fe/latest'],
  ['the same within IPv6', 'https://[::ffff:169.254.169.254]/latest'],
  ['a name that resolves to it', 'https://rebound.example/x'],
  ['a name that clouds know', 'https://metadata.google.internal/computeMetadata'],
])('%s is never followed to, whoever the coordinator is and whatever is configured', async (_, to) => {
  const artifactHosts = ['169.254.169.254', 'rebound.example', 'metadata.google.internal', '::ffff:a9fe:a9fe']
  for (const coordinator of ['https://gitlab.example', 'https://gitlab.lan', 'https://10.0.0.2'])
    expect(await follow(to, { coordinator, artifactHosts })).toMatch(/is not followed: a cloud/)
})

test.each([
  ['https://10.0.0.3/x', '10.0.0.3'],
  ['https://minio.lan/x', 'minio.lan'],
  ['https://127.0.0.1:9000/x', '127.0.0.1'],
  ['https://localhost:9000/x', 'localhost'],
])('from a public coordinator %s is followed to only where it is named', async (to, host) => {
  expect(await follow(to)).toContain(`artifact_hosts = ["${host}"]`)
  expect(await follow(to, { artifactHosts: [host] })).not.toContain('not followed')
})

test('a private coordinator may lead to private addresses, and everybody to public ones', async () => {
  expect(await follow('https://minio.lan/x', { coordinator: 'https://gitlab.lan' })).toBe('10.0.0.3')
  expect(await follow('https://minio.lan/x', { coordinator: 'http://127.0.0.1:80' })).toBe('10.0.0.3')
  expect(await follow('https://bucket.example/x')).toBe('93.184.216.35')
})

test('of the addresses of a name those are connected to that may be', async () => {
  expect(await follow('https://mixed.example/x')).toBe('93.184.216.36')
})

test('https never becomes http, but for a coordinator that is asked over http', async () => {
  const artifactHosts = ['bucket.example']
  expect(await follow('http://bucket.example/x', { artifactHosts })).toMatch(/from https to http/)
  expect(await follow('http://bucket.example/x', { coordinator: 'http://gitlab.example' })).toBe('93.184.216.35')
})
