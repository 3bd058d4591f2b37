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
    bucketName: optional('BucketName', bucketName, 'Bucket for the caches. Required with `Type = "s3"`.'),
    bucketLocation: byDefault('BucketLocation', 'us-east-1', nonEmptyText, 'Region of the bucket.'),
    accessKey: optional('AccessKey', secretText, 'Access key.'),
    secretKey: optional('SecretKey', secretText, 'Secret key.'),
    sessionToken: optional('SessionToken', secretText, 'Session token of temporary credentials.'),
    authenticationType: optional(
      'AuthenticationType',
      oneOf('access-key', 'iam'),
      "`access-key`: the keys above. `iam`: the credentials of this process's environment, found as AWS's own tools find them. Default: `access-key` if both keys are set, otherwise `iam`.",
    ),
    insecure: byDefault('Insecure', false, flag, 'true: http instead of https.'),
    pathStyle: optional(
      'PathStyle',
      flag,
      'true: URLs have the bucket in the path. false: in the host name. Default: false for servers of Amazon and Google, true for others.',
    ),
  },
}

export const cacheTable: TableSchema<CacheSettings> = {
  notYet: ['azure', 'gcs'],
  fields: {
    type: optional(
      'Type',
      oneOf('s3'),
      '`s3`: caches are kept in a bucket that all instances share. Default: each instance keeps its own in `cache_dir`.',
    ),
    path: optional('Path', nonEmptyText, 'Prefix of the names of all objects.'),
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
      'Maximum size of an archive that is uploaded, in bytes. 0: no limit.',
    ),
    s3: byDefault('s3', {}, table(s3Table), 'The bucket.'),
  },
}
