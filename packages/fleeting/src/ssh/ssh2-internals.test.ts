import { KeyObject } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemorySshServer, newKey, quiet } from '../../test/memory-ssh-server.ts'
import { handshake } from './handshake.ts'
import { loginOf } from './login.ts'

// What else is used of the insides shows in the tests of SshConnection.
test('the keys are prepared for both directions, after a further key exchange too', async () => {
  const server = new MemorySshServer()
  const { signal } = new AbortController()
  const socket = await server.dialTcp({ host: 'h', port: 22 }, signal)
  const login = loginOf({ instanceId: 'i', protocol: 'ssh', username: 'ci', privateKey: newKey().privateKey }, {})
  const { client } = await handshake({ socket, login, expectedHostKeys: [], allowsWeak: false, signal })
  const protocol = (
    client as unknown as {
      _protocol: { _cipher: { _encKey: unknown }; _decipher: { _decipherKey: unknown }; rekey(): void }
    }
  )._protocol
  const keys = (): unknown[] => [protocol._cipher._encKey, protocol._decipher._decipherKey]
  expect(keys()).toEqual([expect.any(KeyObject), expect.any(KeyObject)])
  const before = keys()
  protocol.rekey()
  await quiet()
  expect(keys()).toEqual([expect.any(KeyObject), expect.any(KeyObject)])
  expect(keys()[0]).not.toBe(before[0])
  expect(keys()[1]).not.toBe(before[1])
  client.end()
})
