import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatHandshake, type Handshake, parseHandshake } from './handshake.ts'

test("the lines of Go's plugins", () => {
  expect(parseHandshake('1|0|unix|/tmp/plugin128839390|grpc|')).toEqual({
    network: 'unix',
    address: '/tmp/plugin128839390',
  })
  expect(parseHandshake('1|0|tcp|127.0.0.1:10000|grpc\r\n')).toEqual({ network: 'tcp', address: '127.0.0.1:10000' })
  // What is shorter than a certificate can be is none; a field for multiplexing may follow.
  expect(parseHandshake('1|0|unix|/a|grpc|none|true')).toEqual({ network: 'unix', address: '/a' })
})

test.each([
  ['', 'expected a handshake line'],
  ['hello', 'expected a handshake line'],
  ['1|0|unix', 'expected a handshake line'],
  ['1|0|unix||grpc|', 'expected a handshake line'],
  ['2|0|unix|/a|grpc|', 'version "2" of go-plugin, but 1 is required'],
  ['1|1|unix|/a|grpc|', 'version "1" of the fleeting protocol, but 0 is required'],
  ['1|0|udp|/a|grpc|', 'expected the network unix or tcp, got "udp"'],
  ['1|0|unix|/a', 'expected the protocol grpc, got "netrpc"'],
  ['1|0|unix|/a|netrpc|', 'expected the protocol grpc, got "netrpc"'],
])('%j is refused', (line, message) => {
  expect(() => parseHandshake(line)).toThrow(message)
})

const handshakes = fc.record(
  {
    network: fc.constantFrom('unix', 'tcp'),
    address: fc.stringMatching(/^[\w/.:-]{1,60}$/),
    certificate: fc.uint8Array({ minLength: 40, maxLength: 900 }).map((bytes) => Buffer.from(bytes)),
  },
  { requiredKeys: ['network', 'address'] },
) as fc.Arbitrary<Handshake>

test('what is written is read again', () => {
  fc.assert(
    fc.property(handshakes, (handshake) => {
      expect(parseHandshake(formatHandshake(handshake))).toEqual(handshake)
    }),
  )
})

test('no line makes it throw anything but a message', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.string()).map((parts) => parts.join('|')),
      ),
      (line) => {
        try {
          parseHandshake(line)
        } catch (error) {
          expect((error as Error).message).toMatch(/^(expected|it speaks)/)
        }
      },
    ),
  )
})
