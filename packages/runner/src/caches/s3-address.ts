import type { CacheName } from '@runner-core/job'
import type { CacheSettings, S3CacheSettings } from '../config/settings.ts'

/** The bucket's URL, without a slash at its end. */
export function bucketUrl({
  serverAddress,
  bucketName = '',
  bucketLocation,
  insecure,
  pathStyle,
}: S3CacheSettings): URL {
  const scheme = insecure ? 'http' : 'https'
  // The address without a region only serves buckets of one.
  const host = serverAddress.replace(/^s3\.amazonaws\.com(?=:|$)/, `s3.${bucketLocation}.amazonaws.com`)
  return new URL(
    (pathStyle ?? !takesBucketInName(host, bucketName, scheme))
      ? `${scheme}://${host}/${bucketName}`
      : `${scheme}://${bucketName}.${host}`,
  )
}

/**
 * Name of a cache's archive in the bucket: the one that GitLab's runner gives it, so that each finds what the other
 * kept.
 */
export function objectName(
  { path = '', shared }: Pick<CacheSettings, 'path' | 'shared'>,
  shortToken: string,
  { projectId, key }: CacheName,
): string {
  const parts = [...path.split('/'), ...(shared ? [] : ['runner', shortToken]), 'project', String(projectId), key]
  return parts.filter((part) => part !== '').join('/')
}

/** The path of a URL that `name` has in a bucket with this URL. */
export function objectPath(bucket: URL, name: string): string {
  const encoded = name
    .split('/')
    .map((segment) =>
      encodeURIComponent(segment).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    )
  return `${bucket.pathname.replace(/\/$/, '')}/${encoded.join('/')}`
}

/** A certificate for all buckets of a server covers no name with a dot in it. */
function takesBucketInName(host: string, bucket: string, scheme: string): boolean {
  const isKnown = /(^|\.)(amazonaws\.com(\.cn)?|storage\.googleapis\.com)(:\d+)?$/.test(host)
  return isKnown && !(scheme === 'https' && bucket.includes('.'))
}
