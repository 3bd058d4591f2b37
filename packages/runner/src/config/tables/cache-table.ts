import type { CacheSettings, S3CacheSettings } from '../settings.ts'
import { notApplicable, refused, without } from './foreign-key.ts'
import { bucketName, flag, hostAddress, nonEmptyText, oneOf, secretText, wholeNumber } from './kinds.ts'
import { byDefault, optional, type TableSchema, table } from './schema.ts'

const s3Table: TableSchema<S3CacheSettings> = {
  foreign: {
    Accelerate: refused('name the accelerated server with ServerAddress'),
    AssumeRoleMaxConcurrency: without('RoleARN and UploadRoleARN are refused'),
    DisableAssumeRoleCredentialsCaching: without('RoleARN and UploadRoleARN are refused'),
    DualStack: without('the server is the one that ServerAddress names'),
    RoleARN: refused('run the process with credentials of this role, and AuthenticationType = "iam"'),
    ServerSideEncryption: refused("set the bucket's default encryption"),
    ServerSideEncryptionKeyID: refused("set the bucket's default encryption"),
    UploadRoleARN: refused('run the process with credentials of this role, and AuthenticationType = "iam"'),
  },
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
  foreign: {
    azure: notApplicable('Type = "azure" is refused'),
    gcs: notApplicable('Type = "gcs" is refused'),
  },
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
