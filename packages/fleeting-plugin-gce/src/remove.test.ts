import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deleteRequests } from './remove.ts'

const member = fc.record({
  number: fc.nat(),
  zone: fc.option(fc.constantFrom('a-b', 'a-c'), { nil: undefined }),
  runs: fc.boolean(),
})
const members = fc.uniqueArray(member, { maxLength: 2500, size: 'max', selector: ({ number }) => number }).map((all) =>
  all.map(({ number, zone, runs }) => ({
    name: `m-${number}`,
    ...(runs && { instanceStatus: 'RUNNING' }),
    ...(zone !== undefined && {
      instance: `https://www.googleapis.com/compute/v1/projects/p/zones/${zone}/instances/m-${number}`,
    }),
  })),
)

test('each machine is named once, by URL or by name but not both in one request, with a thousand entries at most', () => {
  fc.assert(
    fc.property(members, fc.constantFrom([], ['a-b', 'a-c', 'a-d']), (all, zones) => {
      const requests = deleteRequests(all, zones)
      expect(requests.flat().map(({ name }) => name)).toHaveLength(all.length)
      expect(new Set(requests.flat().map(({ name }) => name))).toEqual(new Set(all.map(({ name }) => name)))
      for (const request of requests) {
        const entries = request.flatMap(({ references }) => references)
        expect(entries.length).toBeGreaterThan(0)
        expect(entries.length).toBeLessThanOrEqual(1000)
        expect(new Set(entries.map((entry) => entry.includes('/'))).size).toBe(1)
      }
    }),
    { numRuns: 30 },
  )
})

test('one without a virtual machine is named in every zone of the group, and one that runs where it runs', () => {
  const instance = 'https://www.googleapis.com/compute/v1/projects/p/zones/a-b/instances/m'
  const references = (member: object): unknown =>
    deleteRequests([{ name: 'm', ...member }], ['a-b', 'a-c'])[0]![0]!.references
  expect(references({ instance, instanceStatus: 'RUNNING' })).toEqual(['zones/a-b/instances/m'])
  expect(references({ instance })).toEqual(['zones/a-b/instances/m', 'zones/a-c/instances/m'])
  expect(references({})).toEqual(['m'])
})
