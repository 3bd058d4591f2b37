import { expect, test } from 'vitest'
import { newKey } from '../../test/memory-ssh-server.ts'
import type { ConnectInfo } from '../contract/instance-group.ts'
import { loginOf } from './login.ts'

const info = (more: Partial<ConnectInfo> = {}): ConnectInfo => ({
  instanceId: 'i-1',
  protocol: 'ssh',
  username: 'ci',
  ...more,
})
const kinds = (given: ConnectInfo, config = {}): string[] => loginOf(given, config).methods.map(({ type }) => type)

test('key, agent and password, the least guessable first', () => {
  const all = info({ privateKey: newKey().privateKey, agentSocket: '/agent', password: 'secret' })
  expect(kinds(all)).toEqual(['publickey', 'agent', 'password', 'keyboard-interactive'])
  expect(kinds(info({ password: '' }))).toEqual(['password', 'keyboard-interactive'])
})

test("the operator's settings fill what is absent; an instance's own credentials are not mixed with them", () => {
  expect(loginOf({ ...info(), username: '' }, { username: 'operator', agentSocket: '/agent' }).username).toBe(
    'operator',
  )
  expect(kinds(info(), { privateKey: newKey().privateKey })).toEqual(['publickey'])
  expect(kinds(info({ password: 'own' }), { privateKey: newKey().privateKey })).toEqual([
    'password',
    'keyboard-interactive',
  ])
})

test.each([
  ['no user name', { username: '', password: 'secret' }, /user name/],
  ['no credentials', {}, /a private key, an agent or a password/],
  ['a key that is none', { privateKey: 'hush hush' }, /private key cannot be used/],
])('%s', (_name, more, message) => {
  const attempt = (): unknown => loginOf(info(more), {})
  expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_config', message: expect.stringMatching(message) }))
  expect(attempt).not.toThrow(/hush/)
})
