import type { FileTransfer, JobEnvironment } from '../job-environment.ts'
import { CacheError } from './cache-store.ts'

/** What the machine says to a command that fails is kept up to this. */
const longestComplaint = 4096

export interface LocalCommand extends Pick<FileTransfer, 'command' | 'input' | 'signal'> {
  readonly environment: Pick<JobEnvironment, 'transfer'>
}

/**
 * Runs a command with a cache that the machine keeps itself. Gives 0, or `otherStatus` when it ends with that. Rejects
 * with a {@link CacheError} when it fails, and with what `transfer` rejects with.
 */
export async function localCommand({ environment, ...transfer }: LocalCommand, otherStatus: number): Promise<number> {
  let complaint = ''
  const end = await environment.transfer({
    ...transfer,
    stdout: () => {},
    stderr: (chunk) => {
      complaint = (complaint + chunk.toString()).slice(0, longestComplaint)
    },
  })
  if ('exitCode' in end && [0, otherStatus].includes(end.exitCode)) return end.exitCode
  const how = 'exitCode' in end ? `exit status ${end.exitCode}` : `signal ${end.signal}`
  throw new CacheError('failed', `${complaint.trim() || 'the instance gave no reason'} (${how})`)
}
