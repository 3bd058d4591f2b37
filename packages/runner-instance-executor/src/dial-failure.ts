import { isConnectionError, isGroupError } from '@runner-core/fleeting'
import { InstanceLostError } from '@runner-core/taskscaler'

/**
 * What follows when an instance that was lent cannot be reached.
 *
 * | verdict | meaning |
 * |---|---|
 * | `replace` | it is this instance: nobody gets it any more, and the job takes another |
 * | `gone` | everybody knows that it exists no more; the job takes another |
 * | `later` | the cloud does not answer now: the instance is as good as before; the job tries again after a pause |
 * | `hopeless` | it would be the same with every instance, until somebody changes the configuration |
 * | `unknown` | not a failure to reach a machine at all |
 */
export type DialVerdict = 'replace' | 'gone' | 'later' | 'hopeless' | 'unknown'

export function judgeDialFailure(error: unknown): DialVerdict {
  if (error instanceof InstanceLostError) return 'gone'
  if (isConnectionError(error)) return error.code === 'invalid_config' ? 'hopeless' : 'replace'
  if (!isGroupError(error)) return 'unknown'
  if (error.code === 'not_found') return 'replace'
  return error.code === 'auth' || error.code === 'invalid_config' ? 'hopeless' : 'later'
}
