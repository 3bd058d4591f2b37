import { expect, test } from 'vitest'
import { parseConfig } from './config.ts'

const least = { name: 'runners', subscription_id: 's', resource_group_name: 'g' }

test('three keys are enough, and the rest is the public cloud', () => {
  expect(parseConfig(least)).toEqual({
    name: 'runners',
    subscriptionId: 's',
    resourceGroup: 'g',
    endpoint: 'https://management.azure.com',
    authorityHost: undefined,
    audience: 'https://management.azure.com',
    certificates: undefined,
  })
})

test('tokens are asked for the endpoint of a private cloud, unless told otherwise', () => {
  const config = { ...least, endpoint: 'https://management.local/', authority_host: 'https://login.local/' }
  expect(parseConfig(config)).toMatchObject({
    endpoint: 'https://management.local',
    authorityHost: 'https://login.local',
    audience: 'https://management.local',
  })
  expect(parseConfig({ ...config, audience: 'https://management.local/a1b2' }).audience).toBe(
    'https://management.local/a1b2',
  )
})

test('a cloud says where Resource Manager and the authority are, unless told otherwise', () => {
  expect(parseConfig({ ...least, cloud: 'government' })).toMatchObject({
    endpoint: 'https://management.usgovcloudapi.net',
    authorityHost: 'https://login.microsoftonline.us',
    audience: 'https://management.usgovcloudapi.net',
  })
  const config = {
    ...least,
    cloud: 'china',
    endpoint: 'https://management.local',
    authority_host: 'https://login.local',
  }
  expect(parseConfig(config)).toMatchObject({
    endpoint: 'https://management.local',
    authorityHost: 'https://login.local',
  })
  expect(parseConfig({ ...least, cloud: 'public' }).authorityHost).toBe('https://login.microsoftonline.com')
})

test('a group has an identity of its own', () => {
  expect(parseConfig({ ...least, client_id: 'c', tenant_id: 'contoso.example' })).toMatchObject({
    clientId: 'c',
    tenantId: 'contoso.example',
  })
})

test.each<[object, RegExp]>([
  [{ ...least, cloud: 'germany' }, /cloud: expected "public" or "government" or "china"/],
  [{ ...least, tenant_id: 'a/b' }, /tenant_id: expected the id or a domain of a tenant/],
  [{}, /name.*subscription_id.*resource_group_name/s],
  [{ ...least, endpoint: 'http://management.local' }, /endpoint/],
  [{ ...least, authority_host: 'login.local' }, /authority_host/],
  [{ ...least, ca_file: '/nowhere/ca.pem' }, /ca_file.*ENOENT/s],
  [{ ...least, resource_group: 'g' }, /resource_group/],
])('%o is refused', (config, message) => {
  expect(() => parseConfig(config)).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringMatching(message) }),
  )
})
