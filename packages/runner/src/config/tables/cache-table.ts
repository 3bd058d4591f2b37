import type { CacheSettings, S3CacheSettings } from '../settings.ts'
import { bucketName, flag, hostAddress, nonEmptyText, oneOf, secretText, wholeNumber } from './kinds.ts'
import { byDefault, optional, type TableSchema, table } from './schema.ts'

const s3Table: TableSchema<S3CacheSettings> = {
  notYet: [
    'Accelerate',
    'AssumeRoleMaxConcurrency',
    'DisableAssumeRoleCredentialsCaching',
    'DualStack',
    'RoleARN',
    'ServerSideEncryption',
    'ServerSideEncryptionKeyID',
    'UploadRoleARN',
  ],
  fields: {
    serverAddress: byDefault('ServerAddress', 's3.amazonaws.com', hostAddress, 'The server: `host` or `host:port`.'),
    bucketName: optional('BucketName', bucketName, 'Bucket that the caches are in. Needed with `Type = "s3"`.'),
    bucketLocation: byDefault('BucketLocation', 'us-east-1', nonEmptyText, 'Region of the bucket.'),
    accessKey: optional('AccessKey', secretText, 'Access key.'),
    secretKey: optional('SecretKey', secretText, 'Secret key.'),
    sessionToken: optional('SessionToken', secretText, 'Session token of temporary keys.'),
    authenticationType: optional(
      'AuthenticationType',
      oneOf('access-key', 'iam'),
      '`access-key`: the keys above. `iam`: what the environment of this process has, found as the tools of AWS find it. Default: `access-key` when both keys are set, else `iam`.',
    ),
    insecure: byDefault('Insecure', false, flag, 'true: http instead of https.'),
    pathStyle: optional(
      'PathStyle',
      flag,
      'true: the bucket is in the path of a URL. false: it is in the name of the host. Default: false with servers of Amazon and Google, true with others.',
    ),
  },
}

export const cacheTable: TableSchema<CacheSettings> = {
  notYet: ['azure', 'gcs'],
  fields: {
    type: optional(
      'Type',
      oneOf('s3'),
      '`s3`: caches are kept in a bucket, which all machines share. Default: each machine keeps them in its `cache_dir`.',
    ),
    path: optional('Path', nonEmptyText, 'What the names of all objects begin with.'),
    shared: byDefault(
      'Shared',
      false,
      flag,
      'true: runners share their caches. false: the token of the runner is part of the name.',
    ),
    maxUploadedArchiveSize: byDefault(
      'MaxUploadedArchiveSize',
      0,
      wholeNumber({ min: 0 }),
      'The largest archive that is put into the bucket, bytes. 0: no bound.',
    ),
    s3: byDefault('s3', {}, table(s3Table), 'The bucket.'),
  },
}
