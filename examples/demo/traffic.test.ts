import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compress, parseTraffic } from './traffic.ts'

const real = parseTraffic(readFileSync(new URL('./ci-jobs-2025-03.csv', import.meta.url), 'utf8'))

test('reads the traffic file in order of time', () => {
  expect(real.length).toBeGreaterThan(3000)
  expect(real.every((row, index) => index === 0 || row.submittedAtMs >= real[index - 1]!.submittedAtMs)).toBe(true)
})

test.each(['x,5', '2025-03-01T00:00:00Z,', '2025-03-01T00:00:00Z,0'])(
  'refuses the row %j and says where it is',
  (row) => {
    expect(() => parseTraffic(`submitted_at,duration_s\n2025-03-01T00:00:00Z,5\n${row}\n`)).toThrow('line 3')
  },
)

test('keeps the order, cuts nights, and squeezes everything into half a minute', () => {
  const minute = 60_000
  const rows = [0, 1, 1, 601].map((at) => ({ submittedAtMs: at * minute, durationMs: 150_000 }))
  expect(compress(rows, 4)).toEqual({
    speed: 300,
    arrivals: [0, 200, 200, 2200].map((atMs) => ({ atMs, durationMs: 500 })),
  })
})

test.each([1, 60, 200, 3000])('%i jobs of the real file arrive within 30 s, none longer than 4 s', (count) => {
  const { arrivals, speed } = compress(real, count)
  expect(arrivals).toHaveLength(count)
  expect(speed).toBeGreaterThanOrEqual(300)
  expect(arrivals.at(-1)!.atMs).toBeLessThanOrEqual(30_000.001)
  for (const { durationMs } of arrivals) expect(durationMs).toBeLessThanOrEqual(4000)
})
