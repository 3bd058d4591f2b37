import { expect, test } from 'vitest'
import type { S3CacheSettings } from '../config/settings.ts'
import { bucketUrl, objectName, objectPath } from './s3-address.ts'

const url = (settings: Partial<S3CacheSettings>): string =>
  bucketUrl({
    serverAddress: 's3.amazonaws.com',
    bucketName: 'caches',
    bucketLocation: 'us-east-1',
    insecure: false,
    ...settings,
  }).href

test.each([
  [{}, 'https://caches.s3.us-east-1.amazonaws.com/'],
  [{ bucketLocation: 'eu-west-1' }, 'https://caches.s3.eu-west-1.amazonaws.com/'],
  [{ pathStyle: true }, 'https://s3.us-east-1.amazonaws.com/caches'],
  [{ bucketName: 'my.caches' }, 'https://s3.us-east-1.amazonaws.com/my.caches'],
  [{ bucketName: 'my.caches', insecure: true }, 'http://my.caches.s3.us-east-1.amazonaws.com/'],
  [{ serverAddress: 's3.cn-north-1.amazonaws.com.cn' }, 'https://caches.s3.cn-north-1.amazonaws.com.cn/'],
  [{ serverAddress: 'storage.googleapis.com' }, 'https://caches.storage.googleapis.com/'],
  [{ serverAddress: 'minio.example.com:9000' }, 'https://minio.example.com:9000/caches'],
  [{ serverAddress: 'minio.example.com:9000', pathStyle: false }, 'https://caches.minio.example.com:9000/'],
  [{ serverAddress: '127.0.0.1:9000', insecure: true }, 'http://127.0.0.1:9000/caches'],
  [{ serverAddress: 'notamazonaws.com' }, 'https://notamazonaws.com/caches'],
] as const)('%j: the bucket is at %s', (settings, expected) => {
  expect(url(settings)).toBe(expected)
})

test.each([
  [{ shared: false }, 'runner/tok123/project/7/a/b'],
  [{ shared: true }, 'project/7/a/b'],
  [{ shared: false, path: 'some/path/' }, 'some/path/runner/tok123/project/7/a/b'],
])("%j: the name is the one that GitLab's runner gives it, %s", (settings, expected) => {
  expect(objectName(settings, 'tok123', { projectId: 7, key: 'a/b' })).toBe(expected)
})

test('the path of a URL has the name, whatever is in it, below the bucket', () => {
  const bucket = bucketUrl({ serverAddress: 'h:1', bucketName: 'b', bucketLocation: 'r', insecure: true })
  expect(objectPath(bucket, "a/it's (1+1)*!?#%2e é")).toBe('/b/a/it%27s%20%281%2B1%29%2A%21%3F%23%252e%20%C3%A9')
  expect(objectPath(new URL('https://b.h'), 'a/b')).toBe('/a/b')
})
