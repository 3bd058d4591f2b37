import { describe, expect, test } from 'vitest'
import { asEngineError } from './errors.ts'

const answer = (statusCode: number, message: string): Error =>
  Object.assign(new Error(`(HTTP code ${statusCode}) - ${message} `), { statusCode })
const failure = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code })

describe('asEngineError', () => {
  test.each([
    [404, 'No such image: runner-core-sshd:latest', 'invalid_config'],
    [404, 'No such container: 0123', 'not_found'],
    [400, 'invalid reference format', 'invalid_config'],
    [401, 'unauthorized', 'auth'],
    [403, 'authorization denied by plugin', 'auth'],
    [409, 'Conflict. The container name "/x" is already in use by container', 'conflict'],
    [429, 'too many requests', 'throttled'],
    [500, 'driver failed: write /var/lib/docker/x: no space left on device', 'capacity'],
    [
      500,
      'could not find an available, non-overlapping IPv4 address pool among the defaults: all predefined address pools have been fully subnetted',
      'capacity',
    ],
    [500, "no available IPv4 addresses on this network's address pools: bridge", 'capacity'],
    [500, 'something else', 'transient'],
    [503, 'the daemon is shutting down', 'transient'],
  ])('answer %i "%s" is %s', (statusCode, message, code) => {
    const error = asEngineError(answer(statusCode, message), 'creating a container')
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/^creating a container: /)
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('says how to come by an image, how to be let in, and what to look at when nobody answers', () => {
    expect(asEngineError(answer(404, 'no such image'), 'x').message).toContain('mk-sshd-image.sh')
    expect(asEngineError(failure('EACCES'), 'x')).toMatchObject({
      code: 'auth',
      message: expect.stringContaining('group is docker'),
    })
    expect(asEngineError(failure('ECONNREFUSED'), 'x')).toMatchObject({
      code: 'transient',
      message: expect.stringContaining('DOCKER_HOST'),
    })
    expect(asEngineError(failure('ECONNRESET'), 'x', { instanceId: 'i' })).toMatchObject({
      code: 'transient',
      instanceId: 'i',
    })
  })
})
