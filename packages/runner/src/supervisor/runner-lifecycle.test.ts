import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RunnerLifecycle, type RunnerPhase } from './runner-lifecycle.ts'

const phase = fc.constantFrom<RunnerPhase>(
  'starting',
  'failed',
  'running',
  'stopping',
  'returning',
  'stopped',
  'handing_over',
  'losing_group',
  'departing',
  'departed',
)

test('a fleet that another process gets never becomes ours again', () => {
  fc.assert(
    fc.property(fc.array(phase, { maxLength: 12 }), (asked) => {
      const lifecycle = new RunnerLifecycle()
      let isOurs = true
      let isGone = false
      for (const next of asked) {
        lifecycle.enter(next)
        const { rules } = lifecycle
        expect(rules.ownsFleet && !isOurs).toBe(false)
        expect(isGone && !rules.isGone).toBe(false)
        isOurs = rules.ownsFleet
        isGone = rules.isGone
      }
    }),
  )
})

test('instances that are being shut down are not handed over, but another manager may still take them', () => {
  const lifecycle = new RunnerLifecycle()
  for (const next of ['running', 'stopping', 'returning'] as const) expect(lifecycle.enter(next)).toBe(true)
  expect(lifecycle.enter('handing_over')).toBe(false)
  expect(lifecycle.phase).toBe('returning')
  expect(lifecycle.enter('losing_group')).toBe(true)
})

test('a start that ends while the runner stops does not make it run', () => {
  const lifecycle = new RunnerLifecycle()
  lifecycle.enter('stopping')
  expect(lifecycle.enter('running')).toBe(false)
  expect(lifecycle.enter('returning')).toBe(true)
  expect(lifecycle.enter('stopped')).toBe(true)
})
