import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConnectInfo } from '../contract/instance-group.ts'
import { chooseAddress, formatAddress, parseAddress } from './address.ts'

const info = (more: Partial<ConnectInfo>): ConnectInfo => ({
  instanceId: 'i-1',
  protocol: 'ssh',
  username: 'ci',
  ...more,
})

describe('which address', () => {
  const both = info({ internalAddress: 'inner', externalAddress: 'outer' })

  test.each([
    ['internal by default', both, {}, 'inner'],
    ['external when asked for', both, { useExternalAddress: true }, 'outer'],
    [
      'internal when there is no external one',
      info({ internalAddress: 'inner' }),
      { useExternalAddress: true },
      'inner',
    ],
    ['external when there is no internal one', info({ externalAddress: 'outer' }), {}, 'outer'],
    ['external when the internal one is empty', info({ internalAddress: '', externalAddress: 'outer' }), {}, 'outer'],
  ])('%s', (_name, given, config, host) => {
    expect(chooseAddress(given, config)).toEqual({ host, port: 22 })
  })

  test('none at all', () => {
    expect(() => chooseAddress(info({}), {})).toThrow(expect.objectContaining({ code: 'unreachable' }))
  })

  test('the port: in the address, of the connect info, configured, 22', () => {
    expect(chooseAddress(info({ internalAddress: 'a:1', port: 2 }), { protocolPort: 3 }).port).toBe(1)
    expect(chooseAddress(info({ internalAddress: 'a', port: 2 }), { protocolPort: 3 }).port).toBe(2)
    expect(chooseAddress(info({ internalAddress: 'a' }), { protocolPort: 3 }).port).toBe(3)
  })
})

describe('reading', () => {
  test.each([
    ['host.example', 'host.example', 22],
    ['10.0.0.7:2222', '10.0.0.7', 2222],
    ['::1', '::1', 22],
    ['fe80::1%eth0', 'fe80::1%eth0', 22],
    ['[2001:db8::7]', '2001:db8::7', 22],
    ['[2001:db8::7]:2222', '2001:db8::7', 2222],
  ])('%s', (text, host, port) => {
    expect(parseAddress(text, 22)).toEqual({ host, port })
  })

  test.each([
    '',
    ':22',
    'host:',
    'host:x',
    'host:0',
    'host:65536',
    '[host]:22',
    '[::1',
    'a:1:2',
    'two words',
    'http://host',
  ])('not %j', (text) => {
    expect(() => parseAddress(text, 22)).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })

  test('reads back what was written', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        expect(parseAddress(formatAddress({ host: name, port }), 22)).toEqual({ host: name, port })
      }),
    )
  })
})
