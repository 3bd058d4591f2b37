import { expect, test } from 'vitest'
import { loginOf, machineAddresses } from './connect.ts'

const configuration = (id: string, privateIPAddress: string, primary?: boolean): object => ({
  id,
  properties: { privateIPAddress, ...(primary !== undefined && { primary }) },
})
const networkInterface = (machine: string | undefined, primary: boolean, ...ipConfigurations: object[]): object => ({
  properties: { primary, ipConfigurations, ...(machine !== undefined && { virtualMachine: { id: machine } }) },
})

test('the primary interface and configuration count, whatever the order and the capitals', () => {
  const addresses = machineAddresses(
    [
      networkInterface('/a', false, configuration('/a/2', '10.0.0.2')),
      networkInterface('/A', true, configuration('/a/1', '10.0.0.1', false), configuration('/a/3', '10.0.0.3', true)),
      networkInterface('/b', true, configuration('/b/1', '10.0.0.4')),
      networkInterface('/B', false, configuration('/b/2', '10.0.0.5')),
      networkInterface(undefined, true, configuration('/c', '10.0.0.6')),
    ],
    [
      { properties: { ipAddress: '203.0.113.3', ipConfiguration: { id: '/A/3' } } },
      { properties: { ipAddress: '203.0.113.2', ipConfiguration: { id: '/a/2' } } },
      { properties: {} },
    ],
  )
  expect(Object.fromEntries(addresses)).toEqual({
    '/a': { internalAddress: '10.0.0.3', externalAddress: '203.0.113.3' },
    '/b': { internalAddress: '10.0.0.4' },
  })
})

test("the connector's user goes before the set's administrator", () => {
  const model = { mode: 'Uniform', maxSize: 100, adminUsername: 'admin', os: 'linux' } as const
  expect(loginOf(model, { username: 'ci', privateKey: 'KEY' })).toEqual({
    protocol: 'ssh',
    username: 'ci',
    privateKey: 'KEY',
    os: 'linux',
  })
  expect(loginOf(model, {})).toMatchObject({ username: 'admin' })
  expect(loginOf({ ...model, adminUsername: undefined, os: undefined }, {})).toEqual({
    protocol: 'ssh',
    username: 'azureuser',
  })
})
