import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deleteRequests } from './remove.ts'

const member = fc.record({ number: fc.nat(), zone: fc.option(fc.constantFrom('a-b', 'a-c'), { nil: undefined }) })
const members = fc.uniqueArray(member, { maxLength: 2500, size: 'max', selector: ({ number }) => number }).map((all) =>
  all.map(({ number, zone }) => ({
    name: `m-${number}`,
    ...(zone !== undefined && { instance: `https://www.googleapis.com/compute/v1/projects/p/zones/${zone}/instances/m-${number}` }),
  })),
)

test('each machine is named once, in requests of at most a thousand, by URL or by name but not both in one', () => {
  fc.assert(
    fc.property(members, (all) => {
      const requests = deleteRequests(all)
      expect(requests.flat().map(({ name }) => name)).toHaveLength(all.length)
      expect(new Set(requests.flat().map(({ name }) => name))).toEqual(new Set(all.map(({ name }) => name)))
      for (const request of requests) {
        expect(request.length).toBeGreaterThan(0)
        expect(request.length).toBeLessThanOrEqual(1000)
        expect(new Set(request.map(({ reference }) => reference.includes('/'))).size).toBe(1)
        for (const { name, reference } of request)
          expect([name, `zones/a-b/instances/${name}`, `zones/a-c/instances/${name}`]).toContain(reference)
      }
    }),
    { numRuns: 30 },
  )
})
