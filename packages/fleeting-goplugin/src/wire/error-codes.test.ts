import { expect, test } from 'vitest'
import { codeOfWireError, retryHintOfText } from './error-codes.ts'

// Words of clouds and of the plugins for them.
test.each([
  ['InsufficientInstanceCapacity: We currently do not have sufficient m5.large capacity', 'capacity'],
  ['ZONE_RESOURCE_POOL_EXHAUSTED: The zone does not have enough resources available', 'capacity'],
  ['creating server: error during placement (resource_unavailable)', 'capacity'],
  ['No valid host was found. There are not enough hosts available.', 'capacity'],
  ['AllocationFailed: Allocation failed.', 'capacity'],
  ['Quota exceeded for cores: Requested 4, but already used 20 of 20 cores', 'quota'],
  ['server limit reached (resource_limit_exceeded)', 'quota'],
  ['InstanceLimitExceeded: You have requested more instances than allowed', 'quota'],
  ['Throttling: Rate exceeded', 'throttled'],
  ['RequestLimitExceeded: Request limit exceeded.', 'throttled'],
  ['rate limit exceeded (rate_limit_exceeded)', 'throttled'],
  ['googleapi: Error 429: too many requests', 'throttled'],
  ['UnauthorizedOperation: You are not authorized to perform this operation.', 'auth'],
  ['the token you have provided is not valid (unauthorized)', 'auth'],
  ['googleapi: Error 403: Forbidden', 'auth'],
  ['no valid credential sources found', 'auth'],
  ['api error ExpiredToken: the security token included in the request is expired token', 'auth'],
  ['unmarshaling config: json: cannot unmarshal string into Go struct field', 'invalid_config'],
  ['missing required plugin config: name', 'invalid_config'],
  ['open /etc/key: no such file or directory', 'invalid_config'],
  ['instance ("a") not found', 'not_found'],
  ['instance a does not exist', 'not_found'],
  ['heartbeat: instance is unhealthy', 'not_found'],
  ['instance a is not running', 'not_ready'],
  ['server has no IPv4 address yet', 'not_ready'],
  ['server is locked', 'conflict'],
  ['googleapi: Error 409: conflict', 'conflict'],
  // An outage's words hold those of other codes.
  ['dial tcp: lookup api.example.com: no such host', 'transient'],
  ['Post "https://api": context deadline exceeded', 'transient'],
  ['unexpected EOF', 'transient'],
  ['503 Service Unavailable', 'transient'],
  ['something that nobody has heard of', 'transient'],
  ['', 'transient'],
])('%s is %s', (text, code) => {
  expect(codeOfWireError(2, text)).toBe(code)
})

test.each([
  [14, 'not found', 'transient'],
  [16, '', 'auth'],
  [7, '', 'auth'],
  [5, '', 'not_found'],
  [3, '', 'invalid_config'],
  [8, 'quota of cores', 'quota'],
  [8, '', 'throttled'],
  [10, '', 'conflict'],
  [12, 'unknown method', 'invalid_config'],
])("gRPC's status %i with %j is %s", (status, text, code) => {
  expect(codeOfWireError(status, text)).toBe(code)
})

test('a hint to wait is read off the text', () => {
  expect(retryHintOfText('throttled, retry after 30s')).toBe(30_000)
  expect(retryHintOfText('Retry-After: 7')).toBe(7_000)
  expect(retryHintOfText('retry after 250ms')).toBe(250)
  expect(retryHintOfText('throttled')).toBeUndefined()
})
