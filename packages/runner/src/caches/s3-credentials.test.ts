import { afterEach, expect, test, vi } from 'vitest'
import type { S3CacheSettings } from '../config/settings.ts'
import { findCredentials } from './s3-credentials.ts'

const bucket = { serverAddress: 'h', bucketLocation: 'us-east-1', insecure: true }
const found = (settings: Partial<S3CacheSettings>) => findCredentials({ ...bucket, ...settings })()

afterEach(() => vi.unstubAllEnvs())

test.each([
  [
    { accessKey: 'key', secretKey: 'secret' },
    { accessKeyId: 'key', secretAccessKey: 'secret' },
  ],
  [
    { accessKey: 'key', secretKey: 'secret', sessionToken: 'session', authenticationType: 'access-key' },
    { accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'session' },
  ],
  [
    { accessKey: 'key', secretKey: 'secret', authenticationType: 'iam' },
    { accessKeyId: 'of the environment', sessionToken: 'too' },
  ],
  [{}, { accessKeyId: 'of the environment', secretAccessKey: 'hidden' }],
] as const)('%j: %j', async (settings, expected) => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'of the environment')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hidden')
  vi.stubEnv('AWS_SESSION_TOKEN', 'too')
  vi.stubEnv('AWS_PROFILE', undefined)
  expect(await found(settings)).toMatchObject(expected)
})
