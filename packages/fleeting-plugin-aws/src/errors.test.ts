import { describe, expect, test } from 'vitest'
import { asAwsError, isForeignAnswer, meaningOf } from './errors.ts'

const failure = (
  name: string,
  message: string,
  status?: number,
  headers: Readonly<Record<string, string>> = {},
): Error =>
  Object.assign(new Error(message), {
    name,
    ...(status !== undefined && { $metadata: { httpStatusCode: status }, $response: { headers } }),
  })

describe('an error of AWS', () => {
  test.each([
    ['Throttling', 'Rate exceeded', 400, 'throttled'],
    ['RequestLimitExceeded', 'Request limit exceeded.', 503, 'throttled'],
    ['ThrottlingException', 'Rate exceeded', 429, 'throttled'],
    ['InsufficientInstanceCapacity', 'We do not have sufficient capacity', 500, 'capacity'],
    ['VcpuLimitExceeded', 'You have requested more vCPU capacity', 400, 'quota'],
    ['MaxSpotInstanceCountExceeded', 'Max spot instance count exceeded', 400, 'quota'],
    ['InsufficientFreeAddressesInSubnet', 'There are not enough free addresses', 400, 'quota'],
    ['ScalingActivityInProgressFault', 'Scaling activity is in progress', 400, 'conflict'],
    ['ResourceContentionFault', 'You already have a pending update', 500, 'conflict'],
    ['IdempotentCallInProgressFault', 'in progress', 500, 'conflict'],
    ['InvalidInstanceID.NotFound', 'The instance ID does not exist', 400, 'not_found'],
    ['EC2InstanceNotFoundException', 'not found', 404, 'not_found'],
    ['EC2InstanceStateInvalidException', 'is not running', 400, 'not_ready'],
    ['UnauthorizedOperation', 'You are not authorized', 403, 'auth'],
    ['ExpiredToken', 'The security token is expired', 403, 'auth'],
    ['CredentialsProviderError', 'Could not load credentials from any providers', undefined, 'auth'],
    ['ValidationError', '1 validation error detected', 400, 'invalid_config'],
    ['InvalidAMIID.NotFound', 'The image id does not exist', 400, 'invalid_config'],
    ['Error', 'Region is missing', undefined, 'invalid_config'],
    ['InternalFailure', 'unknown error', 500, 'transient'],
    ['TimeoutError', 'socket hang up', undefined, 'transient'],
    ['SomethingNew', 'of next year', 400, 'invalid_config'],
    ['SomethingNew', 'of next year', 503, 'transient'],
  ])('%s (%s) with status %s is told as %s', (name, message, status, code) => {
    const error = failure(name, message, status)
    const told = asAwsError(error, 'trying', { instanceId: 'i-1' })
    expect(told).toMatchObject({ code, message: `trying: ${name}: ${message}`, instanceId: 'i-1', cause: error })
  })

  test.each([
    [{ 'retry-after': '3' }, 3000],
    [{ 'x-amz-retry-after': '250' }, 250],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('its hint %j is kept', (headers, retryAfterMs) => {
    expect(
      asAwsError(failure('Throttling', 'Rate exceeded', 400, headers as Record<string, string>), 'trying').retryAfterMs,
    ).toBe(retryAfterMs)
  })

  test.each([
    ['We currently do not have sufficient m7i.large capacity in the Availability Zone you requested.', 'capacity'],
    ['There is no Spot capacity available that matches your request.', 'capacity'],
    ['Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity.', 'capacity'],
    ['Max spot instance count exceeded. MaxSpotInstanceCountExceeded', 'quota'],
    ['You have requested more vCPU capacity than your current vCPU limit of 32 allows', 'quota'],
    ['There are not enough free addresses in subnet', 'quota'],
    ["The image id '[ami-1]' does not exist. Launching EC2 instance failed.", 'invalid_config'],
    ['You are not authorized to use launch template', 'auth'],
    ['Something that nobody has read before.', undefined],
  ])('the words of a scaling activity are read: %s', (words, code) => {
    expect(meaningOf(words)).toBe(code)
  })

  test('a page that is none of AWS is known by its type', () => {
    const told = (type: string) =>
      asAwsError(failure('SyntaxError', 'mismatched tags', 500, { 'content-type': type }), 'trying')
    expect(isForeignAnswer(told('text/html; charset=utf-8'))).toBe(true)
    expect(isForeignAnswer(told('text/xml'))).toBe(false)
    expect(isForeignAnswer(told('application/x-amz-json-1.1'))).toBe(false)
    expect(isForeignAnswer(asAwsError(failure('TimeoutError', 'no answer'), 'trying'))).toBe(false)
  })
})
