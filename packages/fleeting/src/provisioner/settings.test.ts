import { expect, it } from 'vitest'
import { defaultProvisionerSettings, resolveSettings } from './settings.ts'

it('fills what is absent, deeply', () => {
  expect(resolveSettings()).toEqual(defaultProvisionerSettings)
  const settings = resolveSettings({ updateIntervalMs: 5, health: { window: 9 } })
  expect(settings).toEqual({
    ...defaultProvisionerSettings,
    updateIntervalMs: 5,
    health: { ...defaultProvisionerSettings.health, window: 9 },
  })
})

it('names every bad value at once', () => {
  const bad = {
    updateIntervalMs: 0,
    launchThrottle: { perSecond: -1, burst: 0.5 },
    health: { failureThreshold: 6 },
    callTimeoutMs: Number.NaN,
  }
  const problems = [
    'updateIntervalMs: expected a number of at least 1, got 0',
    'callTimeoutMs: expected a number of at least 1, got NaN',
    'health.window: expected a number of at least 6, got 5',
    'launchThrottle.perSecond: expected a number above 0, got -1',
    'launchThrottle.burst: expected a number of at least 1, got 0.5',
  ]
  expect(() => resolveSettings(bad)).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: problems.join('\n') }),
  )
})
