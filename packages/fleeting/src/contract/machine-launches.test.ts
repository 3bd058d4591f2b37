import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Tags, withLaunch, withLaunchesEnded } from './launch-tags.ts'
import { MachineLaunches, type TaggedMachine } from './machine-launches.ts'

const machine = (id: string, tags: Tags, createdAt = 0): TaggedMachine => ({ id, tags, createdAt })
const tokens = (launches: MachineLaunches, ids: readonly string[]): (string | undefined)[] =>
  ids.map((id) => launches.tokenOf(id))
const a = withLaunch({}, 'fleet', { launchToken: 'a', count: 2 }, true)

test('machines are of the launch that they name, the oldest first, and no more than it asked for', () => {
  const launches = new MachineLaunches('fleet')
  launches.learn([machine('10', a), machine('9', a), machine('2', a, 1), machine('1', {})])
  expect(tokens(launches, ['9', '10', '2', '1'])).toEqual(['a', 'a', undefined, undefined])
})

test('what is made after the machines of a launch have gone is not its', () => {
  const launches = new MachineLaunches('fleet')
  launches.learn([machine('1', a), machine('2', a)])
  launches.learn([])
  launches.learn([machine('3', a)])
  expect(launches.tokenOf('3')).toBeUndefined()
})

test('what is made after nothing was under way any more is of no launch, though it had too few', () => {
  const launches = new MachineLaunches('fleet')
  launches.learn([machine('1', a), machine('2', withLaunchesEnded(a, 'fleet'))])
  expect(tokens(launches, ['1', '2'])).toEqual(['a', undefined])
})

test('machines of two launches that were under way together are shared out, whichever they name', () => {
  const launches = new MachineLaunches('fleet')
  const both = withLaunch(a, 'fleet', { launchToken: 'b', count: 1 }, false)
  launches.learn(['1', '2', '3', '4'].map((id) => machine(id, both)))
  expect(tokens(launches, ['1', '2', '3', '4'])).toEqual(['b', 'a', 'a', undefined])
})

test('machines that never came are of the launch that lacks them, once machines are known to tell theirs', () => {
  const launches = new MachineLaunches('fleet')
  launches.learnMissing('x', a)
  expect(launches.tokenOf('x')).toBeUndefined()
  launches.learn([machine('1', a)])
  for (const id of ['y', 'z']) launches.learnMissing(id, a)
  expect(tokens(launches, ['y', 'z'])).toEqual(['a', undefined])
})

test('a machine that came in the place of one that was missing is of the same launch', () => {
  const launches = new MachineLaunches('fleet')
  launches.learn([machine('1', a)])
  launches.learnMissing('x', a)
  launches.release(['x', 'y'])
  expect(launches.tokenOf('x')).toBeUndefined()
  expect(launches.madeBy('a')).toBe(1)
  launches.learn([machine('1', a), machine('2', a), machine('3', a)])
  expect(tokens(launches, ['2', '3'])).toEqual(['a', undefined])
  expect(launches.madeBy('a')).toBe(2)
})

test('who is another fleet sees nothing of it', () => {
  const launches = new MachineLaunches('other')
  launches.learn([machine('1', a)])
  expect(launches.tokenOf('1')).toBeUndefined()
})

test('what was told of a machine stays, however often and in whatever order it is listed, over many launches', () => {
  fc.assert(
    fc.property(fc.array(fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]), { maxLength: 20 }), (lists) => {
      const launches = new MachineLaunches('fleet')
      const all = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => machine(String(n), a, n))
      const told = new Map<string, string>()
      for (const list of lists) {
        launches.learn(list.map((n) => all[n]!))
        for (const { id } of all) {
          const token = launches.tokenOf(id)
          if (told.has(id)) expect(token).toBe('a')
          if (token !== undefined) told.set(id, token)
        }
        expect(told.size).toBeLessThanOrEqual(2)
      }
    }),
  )
  const launches = new MachineLaunches('fleet')
  const old = machine('old', a)
  for (let n = 0; n < 300; n += 1) {
    launches.learn([old, machine(`m${n}`, withLaunch({}, 'fleet', { launchToken: `t${n}`, count: 1 }, true))])
    expect(tokens(launches, ['old', `m${n}`])).toEqual(['a', `t${n}`])
  }
})
