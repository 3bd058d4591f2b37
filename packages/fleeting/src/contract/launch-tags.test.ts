import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  fleetTag,
  launchesOf,
  launchesTag,
  type Tags,
  taggedFleet,
  withLaunch,
  withLaunchesEnded,
} from './launch-tags.ts'

const launch = (launchToken: string, count = 1) => ({ launchToken, count })

test('a launch is read off the tags that it was written to, and everything else in them stays', () => {
  const tags = withLaunch({ team: 'build' }, 'fleet', launch('a', 3), true)
  expect(tags).toEqual({ team: 'build', [fleetTag]: 'fleet', [launchesTag]: 'a:3/' })
  expect(launchesOf(tags, 'fleet')).toEqual({ open: [launch('a', 3)], ended: [] })
})

test('earlier launches stay open while they are under way, and are ended once nothing is', () => {
  const first = withLaunch({}, 'fleet', launch('a'), true)
  expect(launchesOf(withLaunch(first, 'fleet', launch('b'), false), 'fleet')).toEqual({
    open: [launch('b'), launch('a')],
    ended: [],
  })
  expect(launchesOf(withLaunch(first, 'fleet', launch('b'), true), 'fleet')).toEqual({
    open: [launch('b')],
    ended: [launch('a')],
  })
  expect(launchesOf(withLaunchesEnded(first, 'fleet'), 'fleet')).toEqual({ open: [], ended: [launch('a')] })
})

test('a launch that is asked for again stands in the tags once, with the last count', () => {
  const both = withLaunch(withLaunch({}, 'fleet', launch('a', 3), true), 'fleet', launch('b'), false)
  expect(withLaunch(both, 'fleet', launch('b'), false)).toEqual(both)
  expect(launchesOf(withLaunch(both, 'fleet', launch('a', 2), true), 'fleet')).toEqual({
    open: [launch('a', 2)],
    ended: [launch('b')],
  })
})

test('launches of another fleet are none of ours, and give way to ours', () => {
  const theirs = withLaunch({}, 'theirs', launch('a'), true)
  expect(launchesOf(theirs, 'ours')).toEqual({ open: [], ended: [] })
  expect(withLaunchesEnded(theirs, 'ours')).toBe(theirs)
  const ours = withLaunch(theirs, 'ours', launch('b'), false)
  expect(launchesOf(ours, 'ours')).toEqual({ open: [launch('b')], ended: [] })
  expect(launchesOf(ours, 'theirs')).toEqual({ open: [], ended: [] })
})

test('names are found and replaced whatever their capitals', () => {
  const tags: Tags = { 'Runner-Core-Fleet': 'fleet', 'RUNNER-CORE-LAUNCHES': 'a:1/' }
  expect(launchesOf(tags, 'fleet').open).toEqual([launch('a')])
  expect(withLaunch(tags, 'fleet', launch('b'), true)).toEqual({ [fleetTag]: 'fleet', [launchesTag]: 'b:1/a:1' })
})

test.each([['Flotte № 7'], ['a;b'], [''], [' fleet '], ['x'.repeat(101)]])(
  'the fleet %j is told by a hash',
  (fleet) => {
    const tags = withLaunch({}, fleet, launch('a'), true)
    expect(taggedFleet(tags)).toMatch(/^[0-9a-f]{64}$/)
    expect(launchesOf(tags, fleet).open).toEqual([launch('a')])
  },
)

test.each(['', 'a b', 'a:1', 'a/b', 'x'.repeat(101)])('the token %j cannot be in a tag', (token) => {
  expect(() => withLaunch({}, 'fleet', launch(token), true)).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
})

test('whatever is launched, the values stay within what a tag can hold, and the last launch is in them', () => {
  const token = fc.stringMatching(/^[\w-]{1,100}$/)
  const step = fc.record({
    launch: fc.record({ launchToken: token, count: fc.integer({ min: 1, max: 1000 }) }),
    isSettled: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.uniqueArray(step, { minLength: 1, maxLength: 20, selector: ({ launch }) => launch.launchToken }),
      (steps) => {
        let tags: Tags = {}
        for (const { launch, isSettled } of steps) {
          const before = launchesOf(tags, 'fleet')
          tags = withLaunch(tags, 'fleet', launch, isSettled)
          for (const value of Object.values(tags)) expect(value.length).toBeLessThanOrEqual(256)
          const { open, ended } = launchesOf(tags, 'fleet')
          expect(open[0]).toEqual(launch)
          // The newest of those before, none left out between them.
          const kept = [...open, ...ended].slice(1)
          expect(kept).toEqual([...before.open, ...before.ended].slice(0, kept.length))
          if (isSettled) expect(open).toHaveLength(1)
        }
      },
    ),
  )
})
