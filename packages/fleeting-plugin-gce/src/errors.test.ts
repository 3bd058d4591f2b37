import { describe, expect, test } from 'vitest'
import { asLateError, asRefusalError } from './errors.ts'

/** Ten seconds after a full minute. */
const wallTime = 600_010_000

describe('what an operation or an attempt failed with', () => {
  test.each([
    ['ZONE_RESOURCE_POOL_EXHAUSTED', 'capacity'],
    ['ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS', 'capacity'],
    ['REGION_RESOURCE_POOL_EXHAUSTED', 'capacity'],
    ['GPU_STOCKOUT', 'capacity'],
    ['QUOTA_EXCEEDED', 'quota'],
    ['LIMIT_EXCEEDED', 'quota'],
    ['IP_SPACE_EXHAUSTED_WITH_DETAILS', 'quota'],
    ['RATE_LIMIT_EXCEEDED', 'throttled'],
    ['PERMISSIONS_ERROR', 'auth'],
    ['RESOURCE_IN_USE_BY_ANOTHER_RESOURCE', 'conflict'],
    ['RESOURCE_NOT_READY', 'conflict'],
    ['CONDITION_NOT_MET', 'invalid_config'],
    ['RESOURCE_NOT_FOUND', 'invalid_config'],
    ['INTERNAL_ERROR', 'transient'],
    ['SOMETHING_OF_NEXT_YEAR', 'transient'],
  ])('%s is %s', (code, told) => {
    expect(asLateError([{ code, message: 'm' }], 'trying', { instanceId: 'i' })).toMatchObject({
      code: told,
      message: `trying: ${code}: m`,
      instanceId: 'i',
    })
  })

  test('nothing in particular is transient', () => {
    expect(asLateError([], 'trying')).toMatchObject({ code: 'transient', message: 'trying: an error without a code' })
  })
})

describe('a refusal', () => {
  const refusal = (status: number, reason: string, headers: Record<string, string> = {}) =>
    asRefusalError(
      { status, headers: new Headers(headers), data: { error: { message: 'm', errors: [{ reason }] } } },
      'trying',
      wallTime,
    )

  test.each([
    [400, 'invalid', 'invalid_config'],
    [400, 'resourceNotReady', 'conflict'],
    [400, 'resourceInUseByAnotherResource', 'conflict'],
    [401, 'authError', 'auth'],
    [403, 'forbidden', 'auth'],
    [403, 'accessNotConfigured', 'auth'],
    [403, 'quotaExceeded', 'quota'],
    [403, 'limitExceeded', 'quota'],
    [403, 'rateLimitExceeded', 'throttled'],
    [403, 'userRateLimitExceeded', 'throttled'],
    [404, 'notFound', 'not_found'],
    [409, 'alreadyExists', 'conflict'],
    [412, 'conditionNotMet', 'conflict'],
    [429, 'rateLimitExceeded', 'throttled'],
    [500, 'internalError', 'transient'],
    [503, 'backendError', 'transient'],
    [503, 'ZONE_RESOURCE_POOL_EXHAUSTED', 'capacity'],
    [302, '', 'transient'],
  ])('with %i %s is %s', (status, reason, code) => {
    expect(refusal(status, reason).code).toBe(code)
  })

  test('that throttles asks to wait for the next minute, or for what it says', () => {
    expect(refusal(403, 'rateLimitExceeded').retryAfterMs).toBe(50_000)
    expect(refusal(429, '', { 'retry-after': '7' }).retryAfterMs).toBe(7000)
    expect(refusal(503, '', { 'retry-after': new Date(wallTime + 3000).toUTCString() }).retryAfterMs).toBe(3000)
    expect(refusal(503, '', { 'retry-after': 'soon' }).retryAfterMs).toBeUndefined()
    expect(refusal(403, 'forbidden').retryAfterMs).toBeUndefined()
  })

  test.each([[undefined], ['<html>'], [null], [{ error: 'text' }]])(
    'whose body is %j is told by its status',
    (data) => {
      expect(asRefusalError({ status: 502, headers: new Headers(), data }, 'trying', wallTime)).toMatchObject({
        code: 'transient',
        message: 'trying: HTTP 502',
      })
    },
  )
})
