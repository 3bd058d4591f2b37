import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type NamedImage, parseImageReference } from './image-reference.ts'
import { RegistryAuth, type RegistryAuthOptions } from './registry-auth.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'auth-'))
  mkdirSync(join(home, '.docker'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const never = new AbortController().signal
const base64 = (text: string): string => Buffer.from(text).toString('base64')
/** A file in which the password for each address is `who`. */
const file = (who: string, ...addresses: string[]): string =>
  JSON.stringify({ auths: Object.fromEntries(addresses.map((each) => [each, { auth: base64(`me:${who}`) }])) })
const open = (options: Partial<RegistryAuthOptions>): Promise<RegistryAuth> =>
  RegistryAuth.open({
    ofJob: undefined,
    ofRunner: undefined,
    payload: [],
    environment: { HOME: home, PATH: `${home}:/usr/bin:/bin` },
    clock: systemClock,
    ...options,
  })
const find = (auth: RegistryAuth, image: string) => auth.find(parseImageReference(image) as NamedImage, never)
const passwordFor = async (auth: RegistryAuth, image: string): Promise<unknown> => {
  const { credentials } = await find(auth, image)
  return credentials && ('password' in credentials ? credentials.password : credentials)
}
const payload = [{ type: 'registry', url: 'r.io:5050', username: 'gitlab-ci-token', password: 'of the payload' }]
const userFile = (text: string, name = '.docker/config.json'): void => writeFileSync(join(home, name), text)

function helper(name: string, script: string): void {
  writeFileSync(join(home, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`)
  chmodSync(join(home, `docker-credential-${name}`), 0o755)
}

test('the first source that has credentials for the registry is used', async () => {
  userFile(file('of the user', 'r.io:5050', 'a.io'))
  const all = await open({
    ofJob: file('of the job', 'r.io:5050'),
    ofRunner: file('of the runner', 'r.io:5050'),
    payload,
  })
  expect(await find(all, 'r.io:5050/x')).toMatchObject({
    credentials: { username: 'me', password: 'of the job' },
    source: '$DOCKER_AUTH_CONFIG',
    warnings: [],
  })
  expect(await passwordFor(await open({ ofRunner: file('of the runner', 'r.io:5050'), payload }), 'r.io:5050/x')).toBe(
    'of the runner',
  )
  const byUser = await open({ ofJob: file('of the job', 'b.io'), payload })
  expect(await passwordFor(byUser, 'r.io:5050/x')).toBe('of the user')
  expect((await find(byUser, 'a.io/x')).source).toBe(join(home, '.docker/config.json'))
  rmSync(join(home, '.docker'), { recursive: true })
  expect(await passwordFor(await open({ payload }), 'r.io:5050/group/x:1')).toBe('of the payload')
  expect(await find(await open({ payload }), 'other.io/x')).toEqual({
    credentials: undefined,
    source: undefined,
    secrets: [],
    warnings: [],
  })
})

test('an entry for a group of images precedes one for their registry, whatever its source', async () => {
  const auth = await open({ ofJob: file('of the registry', 'r.io'), ofRunner: file('of the group', 'r.io/group') })
  expect(await passwordFor(auth, 'r.io/group/x')).toBe('of the group')
  expect(await passwordFor(auth, 'r.io/grouping/x')).toBe('of the registry')
})

test('Docker Hub is found under each of its names', async () => {
  for (const address of ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'])
    expect(await passwordFor(await open({ ofJob: file('hub', address) }), 'ruby:3')).toBe('hub')
})

test('credentials of the payload that are not for a registry are ignored', async () => {
  const auth = await open({ payload: [{ ...payload[0]!, type: 'other' }] })
  expect(await passwordFor(auth, 'r.io:5050/x')).toBeUndefined()
})

test('DOCKER_CONFIG replaces the directory, and .dockercfg is read where there is no config.json', async () => {
  userFile(file('old', 'r.io'), '.dockercfg')
  expect(await passwordFor(await open({}), 'r.io/x')).toBe('old')
  mkdirSync(join(home, 'other'))
  userFile(file('other', 'r.io'), 'other/config.json')
  const environment = { HOME: home, DOCKER_CONFIG: join(home, 'other') }
  expect(await passwordFor(await open({ environment }), 'r.io/x')).toBe('other')
})

test('a source that cannot be read is a warning, and the next one is used', async () => {
  userFile('{"auths":')
  const auth = await open({ ofJob: 'hidden', payload })
  expect(auth.warnings).toEqual([
    'Failed to resolve credentials from $DOCKER_AUTH_CONFIG: it is not valid JSON. Credentials from this source will not be used.',
    `Failed to resolve credentials from ${home}/.docker/config.json: it is not valid JSON. Credentials from this source will not be used.`,
  ])
  expect(await passwordFor(auth, 'r.io:5050/x')).toBe('of the payload')
})

test('all passwords are named, so that they can be masked', async () => {
  userFile(file('of the user', 'u.io'))
  const auth = await open({ ofJob: file('of the job', 'j.io'), ofRunner: file('of the runner', 'x.io'), payload })
  expect(auth.secrets).toEqual(
    expect.arrayContaining(['of the job', 'of the runner', 'of the user', 'of the payload', base64('me:of the job')]),
  )
})

test('a helper of the registry precedes the helper for all, and that one the entry', async () => {
  helper('one', `printf '{"Username":"me","Secret":"one for %s"}' "$(cat)"`)
  helper('all', `printf '{"Username":"me","Secret":"all for %s"}' "$(cat)"`)
  const auth = await open({
    ofJob: JSON.stringify({
      auths: { 'b.io': { auth: base64('me:entry') }, 'https://c.io/v1/': {} },
      credHelpers: { 'a.io': 'one' },
      credsStore: 'all',
    }),
  })
  expect(await passwordFor(auth, 'a.io/x')).toBe('one for a.io')
  expect(await passwordFor(auth, 'b.io/x')).toBe('all for b.io')
  expect(await passwordFor(auth, 'c.io/x')).toBe('all for https://c.io/v1/')
  expect(await passwordFor(auth, 'ruby')).toBe('all for https://index.docker.io/v1/')
  expect((await find(auth, 'a.io/x')).secrets).toEqual(['one for a.io', base64('me:one for a.io')])
})

test('a helper that fails is a warning, and the entry is used', async () => {
  helper('broken', 'echo no keys; exit 1')
  const ofJob = JSON.stringify({
    auths: { 'a.io': { auth: base64('me:entry') } },
    credHelpers: { 'a.io': '../evil' },
    credsStore: 'broken',
  })
  expect(await find(await open({ ofJob }), 'a.io/x')).toMatchObject({
    credentials: { password: 'entry' },
    warnings: [
      expect.stringContaining('$DOCKER_AUTH_CONFIG: "../evil" is not a credential helper.'),
      expect.stringContaining('$DOCKER_AUTH_CONFIG: docker-credential-broken failed with exit code 1: no keys.'),
    ],
  })
})

test('a helper is asked once for an address, and only so many are asked for one image', async () => {
  helper('count', `echo x >> ${home}/asked; echo '{"Username":"me","Secret":"s"}'`)
  helper('none', `echo x >> ${home}/asked-none; echo credentials not found; exit 1`)
  const once = await open({ ofJob: JSON.stringify({ credHelpers: { 'a.io': 'count' } }) })
  for (const image of ['a.io/x', 'a.io/y']) expect(await passwordFor(once, image)).toBe('s')
  const groups = ['a.io', ...'bcdefgh'.split('')].map((_, index, all) => all.slice(0, index + 1).join('/'))
  const many = await open({
    ofJob: JSON.stringify({ credHelpers: Object.fromEntries(groups.map((each) => [each, 'none'])) }),
  })
  expect((await find(many, 'a.io/b/c/d/e/f/g/h')).warnings).toEqual([
    '$DOCKER_AUTH_CONFIG: more than 4 credential helpers for one image',
  ])
  expect(readFileSync(join(home, 'asked'), 'utf8')).toBe('x\n')
  expect(readFileSync(join(home, 'asked-none'), 'utf8')).toBe('x\n'.repeat(4))
})

test("the user's file is found by whoever is given for that, and not looked for on the disk", async () => {
  userFile(file('of the disk', 'r.io:5050'))
  const found = { path: 'elsewhere', text: file('of elsewhere', 'r.io:5050') }
  expect(await passwordFor(await open({ findUserFile: async () => found }), 'r.io:5050/x')).toBe('of elsewhere')
  expect(await passwordFor(await open({ findUserFile: async () => undefined }), 'r.io:5050/x')).toBeUndefined()
})
