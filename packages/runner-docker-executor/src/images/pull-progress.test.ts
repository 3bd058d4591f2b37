import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PullProgress, progressPause } from './pull-progress.ts'

const layer = (id: string, status: string, current?: number, total?: number) => ({
  id,
  status,
  progressDetail: { current, total },
})

test('layers and bytes are counted as the Engine names them', () => {
  const progress = new PullProgress()
  const texts: string[] = []
  const take = (...messages: readonly object[]): void => {
    for (const message of messages) progress.take(message)
    texts.push(progress.text)
  }
  take({ status: 'Pulling from a/tiny', id: '1' })
  take(layer('a', 'Pulling fs layer'), layer('b', 'Pulling fs layer'), layer('c', 'Already exists'))
  take(layer('a', 'Downloading', 1_500_000, 10_000_000))
  take(layer('b', 'Waiting'), layer('b', 'Downloading', 5_000_000, 5_000_000))
  take(layer('b', 'Verifying Checksum'), layer('b', 'Download complete'))
  take(layer('a', 'Retrying in 4 seconds'))
  take(layer('a', 'Downloading', 9_000_000, 10_000_000))
  take(layer('a', 'Download complete'), layer('a', 'Extracting', 32_768, 10_000_000))
  take(layer('a', 'Pull complete'), layer('b', 'Pull complete'))
  expect(texts).toEqual([
    'waiting for the registry',
    '1 of 3 layers',
    '1 of 3 layers, 1.5 of 10.0 MB',
    '1 of 3 layers, 6.5 of 15.0 MB',
    '1 of 3 layers, 6.5 of 15.0 MB',
    '1 of 3 layers, 5.0 of 15.0 MB, trying a layer again',
    '1 of 3 layers, 14.0 of 15.0 MB',
    '1 of 3 layers, 15.0 of 15.0 MB, extracting',
    '3 of 3 layers, 15.0 of 15.0 MB',
  ])
})

test('any message is counted or ignored', () => {
  const word = fc.constantFrom('Downloading', 'Extracting', 'Waiting', 'Pull complete', 'x')
  const message = fc.record({
    id: fc.oneof(fc.string(), fc.anything()),
    status: fc.oneof(word, fc.anything()),
    progressDetail: fc.oneof(fc.record({ current: fc.double(), total: fc.double() }), fc.anything()),
  })
  fc.assert(
    fc.property(fc.array(fc.oneof(message, fc.anything())), (messages) => {
      const progress = new PullProgress()
      for (const each of messages) progress.take(each)
      expect(progress.text).toMatch(
        /^(waiting for the registry|\d+ of \d+ layers(, [\d.e+]+ of [\d.e+]+ MB)?(, [a-z ]+)?)$/,
      )
    }),
  )
})

test('no more than a thousand layers are counted', () => {
  const progress = new PullProgress()
  for (let each = 0; each < 5000; each++) progress.take(layer(`${each}`, 'Waiting'))
  expect(progress.text).toBe('0 of 1000 layers')
})

test.each([
  [0, 1000],
  [20_000, 1000],
  [60_000, 3000],
  [3_600_000, 10_000],
])('after %i ms the line changes every %i ms', (elapsedMs, pauseMs) => {
  expect(progressPause(elapsedMs)).toBe(pauseMs)
})
