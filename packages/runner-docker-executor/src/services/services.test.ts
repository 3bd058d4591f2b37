import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import type { JobService } from '@runner-core/job'
import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Engine } from '../engine/engine.ts'
import type { ConfiguredService } from '../settings/docker-settings.ts'
import { chooseNetwork, closeNetwork, openNetwork } from './open-network.ts'
import { serviceEnvironment } from './service-environment.ts'
import { isResolvable, serviceAliases, serviceImageName } from './service-names.ts'
import { planServices } from './service-plan.ts'
import { servicePorts } from './service-ports.ts'
import { serviceHosts } from './start-services.ts'

const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['tutum/wordpress', 'tutum/wordpress', 'latest', ['tutum__wordpress', 'tutum-wordpress']],
  ['postgres:16', 'postgres', '16', ['postgres']],
  ['r.io:5000/group/sub/x:1.2', 'r.io/group/sub/x', '1.2', ['r.io__group__sub__x', 'r.io-group-sub-x']],
  [`redis@${digest}`, 'redis', `@${digest}`, ['redis']],
  [`r.io/a:1@${digest}`, 'r.io/a', `@${digest}`, ['r.io__a', 'r.io-a']],
  ['localhost:5000/x', 'localhost/x', 'latest', ['localhost__x', 'localhost-x']],
  [digest, 'aaaaaaaaaaaa', digest, ['aaaaaaaaaaaa']],
])('the service %s', (image, service, version, aliases) => {
  const name = serviceImageName(image)
  expect(name).toEqual({ service, version })
  expect(serviceAliases(name, '')).toEqual(aliases)
})

test('aliases come in a list, with blanks or commas between them, each once', () => {
  expect(serviceAliases({ service: 'a/b' }, ' db, db2\tdb a-b,')).toEqual(['a__b', 'a-b', 'db', 'db2'])
})

test.each([
  ['db', true],
  ['my_db', true],
  ['DB.example', true],
  ['-db', false],
  ['db-', false],
  ['a..b', false],
  ['dätä', false],
  ['$DB', false],
  ['d'.repeat(63), true],
  ['d'.repeat(64), false],
  [Array(64).fill('dddd').join('.'), false],
])('DNS can be asked for %j: %j', (name, expected) => {
  expect(isResolvable(name)).toBe(expected)
})

const service = (name: string, rest: Partial<JobService> = {}): JobService => ({
  name,
  alias: '',
  entrypoint: [],
  command: [],
  variables: [],
  pull_policy: [],
  user: '',
  platform: '',
  ...rest,
})
const configured = (name: string, rest: Partial<ConfiguredService> = {}): ConfiguredService => ({
  name,
  command: [],
  entrypoint: [],
  environment: [],
  ...rest,
})

function plan(requested: JobService[], ofSettings: ConfiguredService[] = [], servicesLimit = Number.POSITIVE_INFINITY) {
  const checked: [string, readonly string[]][] = []
  const { services, warnings } = planServices({
    settings: { services: ofSettings, servicesLimit },
    requested,
    expand: (text) => text.replace('$TAG', '7').replace('$ALIAS', 'kv'),
    checkAllowed: (image, ofConfiguration) => void checked.push([image, ofConfiguration]),
  })
  return { services, warnings, checked, names: services.map(({ title, aliases }) => [title, ...aliases]) }
}

test("the configuration's services come first, and what the job names is checked against its list", () => {
  const environment = [{ key: 'A', value: '$B' }]
  const { services, checked, warnings } = plan(
    [service('redis:$TAG', { alias: '$ALIAS', command: ['serve'], user: 'u$TAG', platform: 'linux/arm64' })],
    [configured('mysql:$TAG', { alias: 'db', entrypoint: [''], environment })],
  )
  expect(warnings).toEqual([])
  expect(checked).toEqual([['redis:7', ['mysql:7']]])
  expect(services).toMatchObject([
    { index: 0, image: 'mysql:7', aliases: ['mysql', 'db'], entrypoint: [''], variables: [{ key: 'A', value: '$B' }] },
    { index: 1, image: 'redis:7', aliases: ['redis', 'kv'], command: ['serve'], user: 'u7', platform: 'linux/arm64' },
  ])
})

test('of five times the same, one is started, and the others are told by name', () => {
  const { names, warnings } = plan(Array(5).fill(service('redis')))
  expect(names).toEqual([['redis:latest', 'redis']])
  expect(warnings).toHaveLength(8)
  expect(warnings.slice(0, 2)).toEqual([
    'Skipping alias "redis" for service "redis:latest" (services[1]): alias is already in use by another service',
    'Service "redis:latest" (services[1]) is not started: no name is left for it',
  ])
})

test('the same image twice, under two names, is two services', () => {
  const { names } = plan([service('redis', { alias: 'one' }), service('redis', { alias: 'two' })])
  expect(names).toEqual([
    ['redis:latest', 'redis', 'one'],
    ['redis:latest', 'two'],
  ])
})

test('a name that DNS cannot take is left out, and the service has its others', () => {
  const { names, warnings } = plan([service('redis', { alias: 'dätä,ok' })])
  expect(names).toEqual([['redis:latest', 'redis', 'ok']])
  expect(warnings).toEqual(['Skipping alias "dätä" for service "redis:latest" (services[0]): DNS has no such names'])
})

test('more services than the limit, and a name that is none, fail the job by name', () => {
  expect(() => plan([service('a'), service('b')], [configured('c')], 2)).toThrow(
    expect.objectContaining({
      code: 'not_allowed',
      message: 'too many services requested: 3, only 2 allowed (services_limit of the runner)',
    }),
  )
  expect(plan([service('a'), service('b')], [], 2).services).toHaveLength(2)
  for (const name of ['', 'Not An Image', 'a:b:c'])
    expect(() => plan([service(name)])).toThrow(
      expect.objectContaining({
        code: 'invalid_job',
        reason: 'runner_configuration_error',
        message: expect.stringMatching(/^invalid service image name: /),
      }),
    )
})

test('no two services of a plan share a name', () => {
  const name = fc.constantFrom('a', 'a/b', 'a-b', 'c:1', 'c:2', 'r.io:5000/a')
  const alias = fc.string({ unit: fc.constantFrom('a', 'b', '-', ',', ' ', '_') })
  fc.assert(
    fc.property(fc.array(fc.record({ name, alias }), { maxLength: 8 }), (given) => {
      const { services } = plan(given.map((each) => service(each.name, each)))
      const all = services.flatMap(({ aliases }) => aliases)
      expect(new Set(all).size).toBe(all.length)
      expect(all.every(isResolvable)).toBe(true)
    }),
  )
})

const job = (key: string, value: string, isPublic: boolean) => ({ key, value, public: isPublic, raw: false })

test('a service gets no secret of the project, unless one of its own variables names it', () => {
  expect(
    serviceEnvironment({
      jobVariables: [
        job('CI', 'true', true),
        job('PASSWORD', 'hunter2', false),
        job('A', '1', true),
        job('A', '2', true),
      ],
      own: [
        { key: 'DB_PASSWORD', value: '$PASSWORD-$OTHER', raw: false },
        { key: 'RAW', value: '$PASSWORD', raw: true },
        { key: 'OTHER', value: 'o', raw: false },
        { key: 'CI', value: 'no', raw: false },
      ],
    }),
  ).toEqual(['CI=no', 'A=2', 'DB_PASSWORD=hunter2-o', 'RAW=$PASSWORD', 'OTHER=o'])
})

test('a service whose environment no program could have fails by name, and costs no more', () => {
  const variables = (value: string) => Array.from({ length: 20_000 }, (_, n) => job(`V${n}`, value, true))
  const jobVariables = [job('A', 'x'.repeat(200_000), false), ...variables('$A$A$A')]
  const tooMuch = expect.objectContaining({ code: 'limit_exceeded' })
  expect(() => serviceEnvironment({ jobVariables, own: [] })).toThrow(tooMuch)
  const own = Array.from({ length: 1_000 }, (_, n) => ({ key: `W${n}`, value: '$A', raw: false }))
  expect(() => serviceEnvironment({ jobVariables: jobVariables.slice(0, 1), own })).toThrow(tooMuch)
  expect(serviceEnvironment({ jobVariables: variables('$V0'), own: [] })).toHaveLength(20_000)
})

test('the ports that an image exposes, or the one that its variable names', () => {
  const exposed = (...ports: string[]) => ({ ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) })
  expect(servicePorts(exposed('443/tcp', '80/tcp', '53/udp', '8080'))).toEqual([80, 443, 8080])
  expect(servicePorts({ ...exposed('80/tcp'), Env: ['A=1', 'HEALTHCHECK_TCP_PORT=81'] })).toEqual([81])
  expect(servicePorts(exposed(...Array.from({ length: 100 }, (_, index) => `${index + 1}/tcp`)))).toHaveLength(20)
  expect(servicePorts({ ExposedPorts: null, Env: null })).toEqual([])
  expect(servicePorts(exposed('99999/tcp', '0/tcp'))).toEqual([])
})

test('names are in hosts files where no DNS knows them', () => {
  const services = [{ aliases: ['db', 'mysql'], addresses: ['172.17.0.2'] }]
  expect(serviceHosts({ mode: 'own', hasNames: true }, services)).toEqual([])
  expect(serviceHosts({ mode: 'default', hasNames: false }, services)).toEqual(['db:172.17.0.2', 'mysql:172.17.0.2'])
  expect(serviceHosts({ mode: 'host', hasNames: false }, services)).toEqual(['db:127.0.0.1', 'mysql:127.0.0.1'])
})

test.each([
  [{}, false, false, { mode: 'default', hasNames: false }],
  [{}, true, false, 'own'],
  [{}, false, true, 'own'],
  [{ links: ['a:b'] }, true, false, { mode: 'default', hasNames: false }],
  [{ links: ['a:b'] }, true, true, 'own'],
  [{ networkMode: 'host' }, true, true, { mode: 'host', hasNames: false }],
  [{ networkMode: 'bridge' }, true, true, { mode: 'bridge', hasNames: false }],
  [{ networkMode: 'container:x' }, true, false, { mode: 'container:x', hasNames: false }],
  [{ networkMode: 'lan' }, true, false, { mode: 'lan', hasNames: true }],
])('with %j, services %j, the flag %j: the network is %j', (settings, hasServices, asksForOwn, expected) => {
  expect(chooseNetwork({ settings: { ...plainSettings, ...settings }, hasServices, asksForOwn })).toEqual(expected)
})

test('an Engine without addresses for a network is told by name, with what to do', async () => {
  const server = createServer((request, response) => {
    const isVersion = request.url === '/version'
    const message =
      'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network'
    response
      .writeHead(isVersion ? 200 : 500, { 'content-type': 'application/json' })
      .end(JSON.stringify(isVersion ? { ApiVersion: '1.41', MinAPIVersion: '1.12' } : { message }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const signal = new AbortController().signal
  const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
  const engine = await Engine.open({ dial, clock: systemClock, signal })
  const demand = { settings: plainSettings, hasServices: true, asksForOwn: false }
  await expect(openNetwork(engine, { ...demand, name: 'n', labels: {} }, signal)).rejects.toMatchObject({
    code: 'no_addresses',
    message: expect.stringMatching(/^making the network of the job: could not find .*: remove unused networks/),
  })
  await closeNetwork(engine, { mode: 'default', hasNames: false }, signal)
  engine.close()
  server.closeAllConnections()
  server.close()
})
