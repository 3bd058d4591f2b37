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
  expect(parseConfig({ ...config, audience: 'https://management.local/a1b2' }).audience).toBe('https://management.local/a1b2')
})

test.each<[object, RegExp]>([
  [{}, /name.*subscription_id.*resource_group_name/s],
  [{ ...least, endpoint: 'http://management.local' }, /endpoint/],
  [{ ...least, authority_host: 'login.local' }, /authority_host/],
  [{ ...least, ca_file: '/nowhere/ca.pem' }, /ca_file.*ENOENT/s],
  [{ ...least, resource_group: 'g' }, /resource_group/],
])('%o is refused', (config, message) => {
  expect(() => parseConfig(config)).toThrow(expect.objectContaining({ code: 'invalid_config', message: expect.stringMatching(message) }))
})
