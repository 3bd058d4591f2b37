import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'

/** Caches in a bucket that lack what it takes to reach it. */
export function incompleteCaches(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ cache }, index) => {
    if (cache?.type !== 's3') return []
    const { bucketName, accessKey, secretKey, authenticationType } = cache.s3 ?? {}
    const takesKeys =
      authenticationType === 'access-key' ||
      (authenticationType === undefined && (accessKey ?? secretKey) !== undefined)
    const missing = [
      ...(bucketName === undefined ? ['BucketName'] : []),
      ...(takesKeys && accessKey === undefined ? ['AccessKey'] : []),
      ...(takesKeys && secretKey === undefined ? ['SecretKey'] : []),
    ]
    return missing.map((key) => ({
      path: `runners[${index}].cache.s3.${key}`,
      message: 'expected a value, because Type is "s3", got nothing',
    }))
  })
}
