import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@runner-core/fleeting'
import { type Evidence, evidenceOf, python, pythonMissing, validate } from '@runner-core/testkit/clouds/gce-discovery'
import { describe, expect, it, vi } from 'vitest'
import { type Exchange, FakeGce } from '../src/index.ts'

const path = '/compute/v1/projects/p/zones/europe-west1-b/instanceGroupManagers/g'
const operation = JSON.stringify({ name: 'operation-1', status: 'DONE' })
const good: Evidence = {
  method: 'POST',
  url: `http://localhost${path}/createInstances?requestId=2f3b2a6e-2a52-4d1b-9a0d-000000000001`,
  requestBody: JSON.stringify({ instances: [{ name: 'a', preservedState: { metadata: { 'ssh-keys': 'x' } } }] }),
  status: 200,
  responseBody: operation,
}

/** A launch that comes to nothing, and where the service tells so. */
async function stockOut(fake: FakeGce, exchanges: readonly Exchange[]): Promise<void> {
  fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
  const { request } = exchanges.find(({ operation }) => operation.endsWith('.get'))!
  const at = `${fake.url}${/.*\/instanceGroupManagers\/[^/]+/.exec(request.url.pathname)![0]}`
  const headers = { authorization: 'Bearer any' }
  await fetch(`${at}/createInstances`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ instances: [{ name: 'unlucky' }] }),
  })
  await vi.waitFor(async () => {
    const errors = (await (await fetch(`${at}/listErrors`, { headers })).json()) as {
      items: readonly { error: { code: string } }[]
    }
    expect(errors.items.map(({ error }) => error.code)).toEqual(['ZONE_RESOURCE_POOL_EXHAUSTED'])
  })
  await fetch(`${at}/listManagedInstances`, { method: 'POST', headers })
}

const wrong: readonly [string, Partial<typeof good>, RegExp][] = [
  ['a method that is none', { url: `http://localhost${path}/createMachines` }, /no such method/],
  ['another verb', { method: 'PUT' }, /no such method/],
  ['a project that is none', { url: good.url.replace('projects/p', 'projects/P_') }, /path project/],
  ['an unknown query parameter', { url: `${good.url}&request_id=1` }, /query request_id: no such/],
  [
    'a query parameter of a wrong type',
    { url: `http://localhost${path}/listManagedInstances?maxResults=many`, requestBody: '', responseBody: '{}' },
    /query maxResults: expected a whole number/,
  ],
  [
    'an unknown property',
    { requestBody: '{"instances":[{"name":"a","preserved":{}}]}' },
    /instances\[0\].preserved: no such property/,
  ],
  ['a property of a wrong type', { requestBody: '{"instances":{"name":"a"}}' }, /instances: expected a list/],
  ['a word that is none', { responseBody: '{"status":"FINISHED"}' }, /status: expected one of DONE/],
  ['a number that is text', { responseBody: '{"progress":"100"}' }, /progress: expected a number/],
  ['an id that is no number', { responseBody: '{"id":"x1"}' }, /id: 'x1' is no uint64/],
  ['an unknown property of an answer', { responseBody: '{"state":"DONE"}' }, /state: no such property/],
  ['a refusal without its envelope', { status: 403, responseBody: '{"error":"denied"}' }, /a refusal without an error/],
  [
    'a refusal of another status',
    {
      status: 403,
      responseBody: '{"error":{"code":400,"message":"m","errors":[{"message":"m","domain":"d","reason":"r"}]}}',
    },
    /error.code: expected 403/,
  ],
]

describe.skipIf(python === undefined)(
  `the validator of Google's discovery document${python === undefined ? ` (${pythonMissing})` : ''}`,
  () => {
    it('finds nothing wrong with what is right, as often as it is asked', () => {
      expect(validate([good, good])).toEqual({
        problems: [],
        operations: { 'instanceGroupManagers.createInstances': 2 },
      })
    })

    it('finds each of the exchanges that are wrong, and only these', () => {
      const { problems } = validate([good, ...wrong.map(([, change]) => ({ ...good, ...change }))])
      for (const [index, [what, , problem]] of wrong.entries()) {
        expect(
          problems.filter((line) => line.startsWith(`${index + 2}: `)),
          what,
        ).toEqual([expect.stringMatching(problem)])
      }
      expect(problems).toHaveLength(wrong.length)
    })
  },
)

describe.skipIf(python === undefined)(
  `google-api-python-client against the fake${python === undefined ? ` (${pythonMissing})` : ''}`,
  () => {
    it.each([
      ['zone', {}],
      ['region', { region: 'europe-west1' }],
    ])('creates, lists and deletes in a %s, and every exchange is as the document says', async (_scope, where) => {
      const exchanges: Exchange[] = []
      await using fake = await FakeGce.start({
        clock: systemClock,
        lags: { appearMs: 20, bootMs: 50, deleteMs: 20 },
        hostKeys: () => ['ssh-ed25519 AAAAC3Nz'],
        onExchange: (exchange) => exchanges.push(exchange),
        ...where,
      })
      const script = fileURLToPath(new URL('gce_second_client.py', import.meta.url))
      const client = spawn(python!, [script, fake.url, 'region' in where ? 'region' : 'zone'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [output, [code]] = await Promise.all([text(client.stdout), once(client, 'close')])
      expect(code).toBe(0)
      expect(JSON.parse(output)).toEqual({
        created: ['second-0', 'second-1', 'second-2'],
        statuses: ['RUNNING', 'RUNNING', 'RUNNING'],
        sameOperation: true,
        sizes: [0, 3, 1, 2],
        pages: [2, 1],
        filtered: ['second-1'],
        left: ['second-2'],
        refusals: { again: 409, unknown: 404, staleFingerprint: 412, notMember: 400 },
        hostKey: 'AAAAC3Nz',
        keys: ['enable-guest-attributes', 'ssh-keys', 'added'],
        configs: ['second-0', 'second-1', 'second-2'],
        errors: [],
        project: 'fleet-project',
        template: ['enable-guest-attributes'],
      })
      await stockOut(fake, exchanges)
      const { problems, operations } = validate(exchanges.flatMap((exchange) => evidenceOf(exchange) ?? []))
      expect(problems).toEqual([])
      // All that the fake has.
      const [groups, scope] =
        'region' in where ? ['regionInstanceGroupManagers', 'region'] : ['instanceGroupManagers', 'zone']
      const ofGroup = [
        'createInstances',
        'deleteInstances',
        'get',
        'listErrors',
        'listManagedInstances',
        'listPerInstanceConfigs',
        'resize',
      ]
      const ofInstances = ['get', 'getGuestAttributes', 'list', 'setMetadata']
      expect(new Set(Object.keys(operations))).toEqual(
        new Set([
          ...ofGroup.map((method) => `${groups}.${method}`),
          ...ofInstances.map((method) => `instances.${method}`),
          'projects.get',
          'instanceTemplates.get',
          `${scope}Operations.get`,
          `${scope}Operations.wait`,
        ]),
      )
    })
  },
)
