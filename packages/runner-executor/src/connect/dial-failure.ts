import { type ConnectionErrorCode, isConnectionError, isGroupError } from '@runner-core/fleeting'
import { InstanceLostError } from '@runner-core/taskscaler'

/**
 * What follows when an instance that was lent cannot be reached.
 *
 * - `unhealthy`: it does not let us in: nobody gets it until it does, which the provisioner sees to, and the job takes
 *   another.
 * - `replace`: it will never do: nobody gets it any more, and the job takes another.
 * - `gone`: everybody knows that it exists no more; the job takes another.
 * - `later`: the cloud does not answer now: the instance is as good as before; the job tries again after a pause.
 * - `hopeless`: it would be the same with every instance, until somebody changes the configuration.
 * - `unknown`: not a failure to reach a machine at all.
 */
export type DialVerdict = 'unhealthy' | 'replace' | 'gone' | 'later' | 'hopeless' | 'unknown'

const connectionVerdicts: Readonly<Record<ConnectionErrorCode, DialVerdict>> = {
  refused_credentials: 'unhealthy',
  host_key_mismatch: 'unhealthy',
  unreachable: 'unhealthy',
  connection_lost: 'unhealthy',
  expired: 'replace',
  channel_refused: 'replace',
  invalid_config: 'hopeless',
}

export function judgeDialFailure(error: unknown): DialVerdict {
  if (error instanceof InstanceLostError) return 'gone'
  if (isConnectionError(error)) return connectionVerdicts[error.code]
  if (!isGroupError(error)) return 'unknown'
  if (error.code === 'not_found') return 'replace'
  return error.code === 'auth' || error.code === 'invalid_config' ? 'hopeless' : 'later'
}
