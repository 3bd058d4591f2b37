import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { loginDirectory } from '../build-paths.ts'
import { cacheContext } from './cache-context.ts'

function contextOf(settings: Readonly<Record<string, string>>, directory = 'cache') {
  const plan = {
    projectDir: `${loginDirectory}/builds/group/project`,
    expand: (text: string) => text.replaceAll('$DIR', `${loginDirectory}/x`),
    setting: (key: string) => settings[key] ?? '',
  }
  return cacheContext({ payload: payload(), plan, caches: { directory }, clock: { after: () => () => {} } })
}

test('what a job says, and where its caches are', () => {
  const context = contextOf({
    RESTORE_CACHE_ATTEMPTS: '3',
    CACHE_REQUEST_TIMEOUT: '2',
    CACHE_FALLBACK_KEY: 'last',
  })
  expect(context).toMatchObject({
    projectId: 7,
    local: { cacheDir: `${loginDirectory}/cache`, projectPath: 'group/project' },
    store: undefined,
    attempts: 3,
    timeoutMs: 120_000,
    warnings: [],
    plan: { defaultKey: 'test/main', fallbackKey: 'last' },
  })
  // A key is no place on the machine.
  expect(context.plan.expand('$DIR')).toBe('~/x')
  expect(contextOf({}, '/var/cache/ci/').local.cacheDir).toBe('/var/cache/ci')
})

test('what is no number is said, and is what it is by default', () => {
  const context = contextOf({ RESTORE_CACHE_ATTEMPTS: '11', CACHE_REQUEST_TIMEOUT: 'soon' })
  expect([context.attempts, context.timeoutMs]).toEqual([1, 600_000])
  expect(context.warnings).toEqual([
    'RESTORE_CACHE_ATTEMPTS: expected 1 to 10, got "11"; 1 is used',
    'CACHE_REQUEST_TIMEOUT: expected minutes, got "soon"; using 10',
  ])
})
