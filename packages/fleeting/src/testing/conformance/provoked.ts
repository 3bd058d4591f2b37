import { asGroupError, GroupError } from '../../contract/errors.ts'
import type { FaultyCall } from './cloud-controls.ts'
import { type ConformanceContext, ensure } from './conformance-case.ts'

/**
 * Every call, one that fails too, answers within this time: to wait and try again is the provisioner's business. Leaves
 * room for what an SDK tries by itself.
 */
const answerWithinMs = 15_000

/** Makes one of the four calls; `id` for those that need an instance. */
export function call(
  context: ConformanceContext,
  on: FaultyCall,
  id: string,
  signal: AbortSignal = context.signal,
): Promise<unknown> {
  const { group } = context
  if (on === 'list') return group.list(signal)
  if (on === 'increase') return group.increase({ count: 1, launchToken: context.newToken() }, signal)
  if (on === 'decrease') return group.decrease([id], signal)
  return group.connectInfo(id, signal)
}

/** Why a call did not do what it was asked to: what it threw, or told instead. Undefined: it says that it did. */
export async function refusalOf(
  context: ConformanceContext,
  on: FaultyCall,
  id: string,
  signal: AbortSignal = context.signal,
): Promise<GroupError | undefined> {
  const outcome = call(context, on, id, signal).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error: asGroupError(error) }),
  )
  const settled = await Promise.race([outcome, context.pause(answerWithinMs).then(() => undefined)])
  ensure(settled !== undefined, `${on} did not answer within ${answerWithinMs / 1000} s`)
  return 'error' in settled ? settled.error : toldIn(on, settled.answer)
}

function toldIn(on: FaultyCall, answer: unknown): GroupError | undefined {
  if (on !== 'increase' && on !== 'decrease') return undefined
  const {
    requested,
    accepted,
    errors = [],
  } = answer as { requested?: number; accepted?: readonly string[]; errors?: readonly unknown[] }
  if ((requested ?? accepted?.length) !== 0) return undefined
  return errors.length === 0
    ? new GroupError('transient', `${on} did nothing and reported no error`)
    : asGroupError(errors[0])
}
