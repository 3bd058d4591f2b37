import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DemoState, graphWidth, renderFrame, renderLine } from './live-view.ts'

const state: DemoState = {
  elapsedMs: 12_340,
  jobs: { total: 60, queued: 6, running: 12, done: 30, wrong: 1 },
  slots: { used: 12, total: 16 },
  instances: { now: 4, peak: 5, most: 5 },
  shape: [0, 1, 5],
  reason: 'increase 2: 6 jobs wait',
  lastEnd: 'exit code: failed · script_failure · exit 3',
}

test('a frame', () => {
  expect(renderFrame(state, 80).map(stripVTControlCharacters)).toMatchInlineSnapshot(`
    [
      "  jobs       ████████████████▒▒·····  30/60 done, 12 running, 6 waiting, 1 WRONG",
      "  slots      ●●●●●●●●●●●●○○○○         12 of 16 in use",
      "  instances   ▂█                      4 now, 5 at most",
      "  scaling    increase 2: 6 jobs wait",
      "  last end   exit code: failed · script_failure · exit 3",
      "  time       12.3 s",
    ]
  `)
  expect(renderLine(state)).toBe(
    '  12 s | jobs 30/60 done, 12 running, 6 waiting, 1 WRONG | slots 12/16 | instances 4 | increase 2: 6 jobs wait',
  )
})

test('no line is wider than the terminal, whatever the numbers', () => {
  const natural = fc.integer({ min: 0, max: 500 })
  const parts = fc.record({
    queued: natural,
    running: natural,
    done: natural,
    rest: natural,
    slots: natural,
    shape: fc.array(natural),
    text: fc.string(),
  })
  fc.assert(
    fc.property(
      parts,
      fc.integer({ min: 55, max: 200 }),
      ({ queued, running, done, rest, slots, shape, text }, width) => {
        const jobs = { total: queued + running + done + rest + 1, queued, running, done, wrong: 0 }
        const most = Math.max(1, ...shape)
        const instances = { now: most, peak: most, most }
        const visible = text.replaceAll(/[^ -~]/g, '')
        const frame = renderFrame(
          {
            ...state,
            jobs,
            slots: { used: Math.min(slots, running), total: slots },
            instances,
            shape,
            reason: visible,
            lastEnd: visible,
          },
          width,
        )
        for (const line of frame) expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(width)
      },
    ),
  )
  expect(graphWidth(20)).toBe(10)
})
