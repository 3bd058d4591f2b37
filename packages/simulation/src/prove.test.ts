import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteStateStore } from '@runner-core/fleeting/sqlite'
import { describe, expect, test } from 'vitest'
import { bugs } from './bugs.ts'
import { play } from './play.ts'
import { findBug, prove } from './prove.ts'
import { scenarioOf } from './scenario.ts'
import { shrink } from './shrink.ts'
import { storyOf } from './story.ts'
import type { WorldProcess } from './world-process.ts'

const seedsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index)

describe('the seven promises hold', () => {
  // Seeds that nobody has seen before are for `npm run prove`: what they find is a finding, not the fault of a change.
  test('in the same 90 runs each time', { timeout: 360_000 }, async () => {
    const { violations, crashPoints } = await prove(seedsFrom(1, 90))
    expect(violations.map(({ seed, story }) => `seed ${seed}: ${story}`)).toEqual([])
    expect(crashPoints).toBeGreaterThan(90)
  })
})

test('they hold on SQLite', { timeout: 360_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'world-'))
  const stores = new Set<SqliteStateStore>()
  try {
    for (const seed of seedsFrom(1000, 25)) {
      const openStore = (process: WorldProcess): SqliteStateStore => {
        const store = new SqliteStateStore({
          directory: join(directory, `${seed}`),
          handOverMs: 0,
          clock: process.clock,
          thread: false,
        })
        stores.add(store)
        return store
      }
      expect((await play(scenarioOf(seed), { openStore })).violation, `seed ${seed}`).toBeUndefined()
      await Promise.all([...stores].map((store) => store.close()))
      stores.clear()
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})

describe('whoever watches sees', { timeout: 360_000 }, () => {
  test.each(bugs)('$breaks: $name', async (bug) => {
    expect(await findBug(bug, seedsFrom(1, 100))).toBeDefined()
  })

  test('each promise broken by one of them', () => {
    expect(new Set(bugs.map(({ breaks }) => breaks))).toEqual(new Set([1, 2, 3, 4, 5, 6, 7]))
  })
})

describe('a run', () => {
  test('goes the same way each time', async () => {
    const played = await play(scenarioOf(7))
    expect(await play(scenarioOf(7))).toEqual(played)
    expect(played.log.length).toBeGreaterThan(20)
  })

  test('that breaks a promise is made short, and tells its story', { timeout: 60_000 }, async () => {
    const bug = bugs.find(({ breaks }) => breaks === 1)!
    const { seed } = (await findBug(bug, seedsFrom(1, 100)))!
    const scenario = scenarioOf(seed)
    const found = await shrink(scenario, 1, bug)
    expect(found.scenario.steps.length).toBeLessThan(scenario.steps.length / 2)
    expect(await play(found.scenario, { bug })).toEqual(found.played)
    expect(storyOf(found)).toMatch(/Promise 1 was broken: m-\d+ is deleted while .* has a slot of it/)
  })
})
