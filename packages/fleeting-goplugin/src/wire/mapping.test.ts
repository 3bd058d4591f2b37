// What crosses the wire, and what it means on either side.
import type { ConnectorConfig } from '@runner-core/fleeting'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codec } from './codec.ts'
import { connectInfoOfWire } from './connect-info.ts'
import { wireConnectorConfig } from './connector-config.ts'
import type { ConnectInfoResponse } from './messages.ts'
import { rowOfWire } from './states.ts'

test('bytes that Go writes are read, and written alike', () => {
  const update = codec('UpdateResponse')
  expect(update.encode({ instance: 'a', state: 1 })).toEqual(Buffer.from('0a01611001', 'hex'))
  expect(codec('IncreaseRequest').encode({ n: 300 })).toEqual(Buffer.from('08ac02', 'hex'))
  expect(codec('Instances').encode({ instances: ['a', 'b'] })).toEqual(Buffer.from('0a01610a0162', 'hex'))
  expect(codec('Empty').encode({})).toEqual(Buffer.alloc(0))
  // Go leaves out what is zero or empty, we need not: both mean the same.
  expect(update.decode(Buffer.from('0a0161', 'hex'))).toEqual({ instance: 'a', state: 0 })
  expect(update.decode(update.encode({ instance: 'a', state: 0 }))).toEqual({ instance: 'a', state: 0 })
})

test('sub-messages are sent, whatever is in them', () => {
  const init = codec('InitRequest')
  const sent = init.decode(
    init.encode({ config: Buffer.from('{}'), settings: { connectorConfig: wireConnectorConfig({}) } }),
  )
  expect(sent.settings?.connectorConfig).toMatchObject({ os: '', username: '' })
  expect(init.decode(Buffer.from('0a027b7d', 'hex')).settings).toBeNull()
  // As Go sends what is empty.
  expect(init.decode(Buffer.from('0a027b7d12020a00', 'hex')).settings?.connectorConfig).toMatchObject({
    os: '',
    timeout: 0,
  })
})

test('what is new in a message is skipped, an unknown state is kept', () => {
  expect(codec('UpdateResponse').decode(Buffer.from('0a016110091a03787878', 'hex'))).toEqual({
    instance: 'a',
    state: 9,
  })
  expect(rowOfWire('a', 9)).toEqual({ id: 'a', state: 'unknown', detail: 'state 9' })
  expect(rowOfWire('a', -1)).toEqual({ id: 'a', state: 'unknown', detail: 'state -1' })
  expect(rowOfWire('a', 4)).toEqual({ id: 'a', state: 'failed', detail: 'timeout' })
  expect([0, 1, 2, 3, 5, 6, 7].map((state) => rowOfWire('a', state).state)).toEqual([
    'creating',
    'running',
    'deleting',
    'deleted',
    'suspending',
    'suspended',
    'resuming',
  ])
})

const settings: fc.Arbitrary<ConnectorConfig> = fc.record(
  {
    os: fc.constantFrom('linux', 'darwin', 'windows'),
    arch: fc.constantFrom('amd64', 'arm64'),
    username: fc.string({ minLength: 1 }),
    password: fc.string({ minLength: 1 }),
    privateKey: fc.string({ minLength: 1 }),
    useStaticCredentials: fc.boolean(),
    keepaliveMs: fc.integer({ min: 0, max: 10_000_000 }),
    timeoutMs: fc.integer({ min: 1, max: 10_000_000 }),
    protocolPort: fc.integer({ min: 1, max: 65_535 }),
  },
  { requiredKeys: [] },
)

test('settings survive a plugin that hands them back, and never go without times', () => {
  fc.assert(
    fc.property(settings, (config) => {
      const init = codec('InitRequest')
      const sent = init.decode(
        init.encode({ config: Buffer.from('{}'), settings: { connectorConfig: wireConnectorConfig(config) } }),
      )
      const connector = sent.settings?.connectorConfig ?? null
      expect(connector?.keepalive).toBe((config.keepaliveMs || 30_000) * 1e6)
      expect(connector?.timeout).toBe((config.timeoutMs ?? 600_000) * 1e6)
      const { keepaliveMs: _, timeoutMs: __, useStaticCredentials: ___, protocolPort: port, ...rest } = config
      const info = connectInfoOfWire('a', { connector, internalAddr: '10.0.0.1', externalAddr: '', expires: 0 }, {})
      expect(info).toEqual({
        instanceId: 'a',
        protocol: 'ssh',
        internalAddress: '10.0.0.1',
        username: '',
        ...rest,
        ...(port && { port }),
      })
    }),
  )
})

const answer: ConnectInfoResponse = {
  connector: { ...wireConnectorConfig({}), username: 'ubuntu', key: Buffer.from('plugin key'), os: 'plan9' },
  internalAddr: '10.0.0.1',
  externalAddr: 'vm.example.com:2222',
  expires: 1_700_000_000,
}

test("the operator's user name wins, of credentials the plugin's do", () => {
  const operator = {
    username: 'ci',
    privateKey: 'own key',
    password: 'secret',
    agentSocket: '/agent',
    protocolPort: 2200,
  }
  expect(connectInfoOfWire('a', answer, operator)).toEqual({
    instanceId: 'a',
    protocol: 'ssh',
    internalAddress: '10.0.0.1',
    externalAddress: 'vm.example.com:2222',
    username: 'ci',
    privateKey: 'plugin key',
    password: 'secret',
    agentSocket: '/agent',
    port: 2200,
    expiresAt: 1_700_000_000_000,
  })
})

test('a connector that was not sent, and times of zero, do no harm', () => {
  const operator = { username: 'ci', privateKey: 'own key', timeoutMs: 5_000 }
  const bare = { connector: null, internalAddr: '', externalAddr: 'a.example.com', expires: -1 }
  expect(connectInfoOfWire('a', bare, operator)).toEqual({
    instanceId: 'a',
    protocol: 'ssh',
    externalAddress: 'a.example.com',
    username: 'ci',
    privateKey: 'own key',
  })
})

test('no address yet is not ready; a protocol without a connector is a configuration error', () => {
  const thrown = (change: Partial<ConnectInfoResponse>): unknown => {
    try {
      return connectInfoOfWire('a', { ...answer, ...change }, {})
    } catch (error) {
      return error
    }
  }
  expect(thrown({ internalAddr: '', externalAddr: '' })).toMatchObject({ code: 'not_ready', instanceId: 'a' })
  expect(thrown({ connector: { ...wireConnectorConfig({}), protocol: 'winrm' } })).toMatchObject({
    code: 'invalid_config',
    message: expect.stringContaining('winrm'),
  })
})
