import { ConnectionError, connectionErrorCodes, GroupError, groupErrorCodes } from '@runner-core/fleeting'
import { InstanceLostError } from '@runner-core/taskscaler'
import { expect, test } from 'vitest'
import { judgeDialFailure } from './dial-failure.ts'

test('what is the fault of a machine replaces it; what is the fault of the cloud or of the configuration replaces none', () => {
  const connection = connectionErrorCodes.map((code) => [code, judgeDialFailure(new ConnectionError(code, ''))])
  expect(Object.fromEntries(connection)).toEqual({
    refused_credentials: 'unhealthy',
    host_key_mismatch: 'unhealthy',
    unreachable: 'unhealthy',
    connection_lost: 'unhealthy',
    expired: 'replace',
    invalid_config: 'hopeless',
    channel_refused: 'replace',
  })
  const group = groupErrorCodes.map((code) => [code, judgeDialFailure(new GroupError(code, ''))])
  expect(Object.fromEntries(group)).toEqual({
    capacity: 'later',
    quota: 'later',
    throttled: 'later',
    auth: 'hopeless',
    invalid_config: 'hopeless',
    not_found: 'replace',
    not_ready: 'later',
    conflict: 'later',
    transient: 'later',
  })
  expect(judgeDialFailure(new InstanceLostError('i-1', 'it went'))).toBe('gone')
  expect(judgeDialFailure(new TypeError('x is not a function'))).toBe('unknown')
})
