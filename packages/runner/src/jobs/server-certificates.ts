import { readFileSync } from 'node:fs'
import type { Logger } from '@runner-core/fleeting'
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
