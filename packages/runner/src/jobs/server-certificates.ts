import { readFileSync } from 'node:fs'
import type { Logger } from '@runner-core/fleeting'
import type { ClientCertificate } from '@runner-core/job'
import type { RunnerSettings } from '../config/settings.ts'

/**
 * What git on a job's machine trusts beside its own authorities. Read for each job: the file may have been renewed.
 * Where it cannot be read any more, git says what it does not trust.
 */
export function readServerCertificates(
  { tlsCaFile }: Pick<RunnerSettings, 'tlsCaFile'>,
  logger: Logger,
): string | undefined {
  if (tlsCaFile === undefined) return undefined
  try {
    return readFileSync(tlsCaFile, 'utf8')
  } catch (error) {
    logger.warn({ error }, "tls-ca-file cannot be read: git on the machine trusts the machine's own authorities")
    return undefined
  }
}

/**
 * What git and programs of a job show the coordinator: the files that the manager itself uses. Read for each job, too.
 */
export function readClientCertificate(
  { tlsCertFile, tlsKeyFile }: Pick<RunnerSettings, 'tlsCertFile' | 'tlsKeyFile'>,
  logger: Logger,
): ClientCertificate | undefined {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined
  try {
    return { certificate: readFileSync(tlsCertFile, 'utf8'), key: readFileSync(tlsKeyFile, 'utf8') }
  } catch (error) {
    logger.warn(
      { error },
      'tls-cert-file and tls-key-file cannot be read: git on the machine has no client certificate',
    )
    return undefined
  }
}
