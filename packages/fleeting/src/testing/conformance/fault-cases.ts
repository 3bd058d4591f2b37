import type { GroupErrorCode } from '../../contract/errors.ts'
import type { CloudFaultKind, FaultyCall } from './cloud-controls.ts'
import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'
import { refusalOf } from './provoked.ts'

interface Fault {
  readonly kind: CloudFaultKind
  readonly on: readonly FaultyCall[]
  readonly codes: readonly GroupErrorCode[]
}

const everyCall: readonly FaultyCall[] = ['list', 'increase', 'decrease', 'connectInfo']

/** Faults that a call meets at once; launches that fail later are elsewhere. */
const faults: readonly Fault[] = [
  { kind: 'throttled', on: everyCall, codes: ['throttled'] },
  { kind: 'auth', on: everyCall, codes: ['auth'] },
  { kind: 'server_error', on: everyCall, codes: ['transient'] },
  { kind: 'reset', on: everyCall, codes: ['transient'] },
  { kind: 'conflict', on: ['increase', 'decrease'], codes: ['conflict'] },
  { kind: 'invalid_config', on: ['list'], codes: ['invalid_config', 'not_found'] },
]

/** What the cloud asks to wait, so long that a plugin which waits itself is found out. */
const hintMs = 20_000

export const faultCases: readonly ConformanceCase[] = [
  ...faults.flatMap(({ kind, on, codes }) => on.map((each) => faultCase(kind, each, codes))),
  ...everyCall.map(timeoutCase),
  {
    name: 'a hint of how long to wait is passed on',
    needs: { instances: 1, cloud: ['inject', 'heal'], fault: 'throttled' },
    async run(context) {
      const { cloud } = context
      if (cloud.saysRetryAfter !== true) context.skip('the cloud gives no hint')
      const [id = ''] = await context.launch(1)
      for (const on of everyCall) {
        cloud.inject({ kind: 'throttled', on, retryAfterMs: hintMs })
        const refusal = await refusalOf(context, on, id)
        cloud.heal()
        // It needed no call that could be refused.
        if (refusal === undefined && on === 'connectInfo') continue
        const { retryAfterMs } = refusal ?? {}
        // Clouds speak of whole seconds.
        const isRight = retryAfterMs !== undefined && Math.abs(retryAfterMs - hintMs) <= 1000
        ensure(
          isRight,
          `${on}: the cloud asks to wait ${hintMs} ms; expected that as retryAfterMs, got ${retryAfterMs ?? 'nothing'}`,
        )
      }
    },
  },
]

function faultCase(kind: CloudFaultKind, on: FaultyCall, codes: readonly GroupErrorCode[]): ConformanceCase {
  const needsInstance = on === 'decrease' || on === 'connectInfo'
  return {
    name: `${kind} on ${on} is reported as ${codes.join(' or ')}`,
    needs: { instances: on === 'list' ? 0 : 1, cloud: ['inject', 'heal'], fault: kind },
    async run(context) {
      const { cloud } = context
      const [id = ''] = needsInstance ? await context.launch(1) : []
      const before = [...cloud.machines()]
      cloud.inject({ kind, on })
      const refusal = await refusalOf(context, on, id)
      cloud.heal()
      if (refusal === undefined && on === 'connectInfo') context.skip('connectInfo needed no call that could fail')
      ensure(refusal !== undefined, `${on} met ${kind} and succeeded as if nothing had happened`)
      ensure(codes.includes(refusal.code), `expected ${codes.join(' or ')}, got ${refusal.code}: ${refusal.message}`)
      await context.settle()
      const after = cloud.machines()
      ensure(
        after.length === before.length && before.every((machine) => after.includes(machine)),
        `${on} failed, but changed ${before.join(', ') || 'nothing'} into ${after.join(', ') || 'nothing'}`,
      )
      await worksAgain(context, on, id)
    },
  }
}

/**
 * No answer comes, and the caller's time is up. A deadline of the plugin's own, should it be shorter than that, is no
 * other case.
 */
function timeoutCase(on: FaultyCall): ConformanceCase {
  return {
    name: `a time-out of ${on} is reported as transient`,
    needs: { instances: 1, cloud: ['inject', 'heal'], fault: 'hang' },
    async run(context) {
      const [id = ''] = await context.launch(1)
      context.cloud.inject({ kind: 'hang', on })
      const limit = new AbortController()
      const refused = refusalOf(context, on, id, limit.signal)
      // Long enough to have reached the cloud.
      await context.pause(50)
      limit.abort(new DOMException('the time is up', 'TimeoutError'))
      const refusal = await refused
      context.cloud.heal()
      if (refusal === undefined && on === 'connectInfo') context.skip('connectInfo needed no call that could hang')
      ensure(refusal !== undefined, `the cloud did not answer ${on}, which succeeded all the same`)
      ensure(refusal.code === 'transient', `expected transient, got ${refusal.code}: ${refusal.message}`)
      await worksAgain(context, on, id)
    },
  }
}

/** What failed once must not fail for ever. */
async function worksAgain(context: ConformanceContext, on: FaultyCall, id: string): Promise<void> {
  if (on === 'increase') {
    const [fresh] = await context.launch(1)
    const machines = context.cloud.machines()
    ensure(machines.includes(fresh!), `launched ${fresh}, but the cloud has ${machines.join(', ')}`)
  } else if (on === 'decrease') await context.remove([id])
  else if (on === 'connectInfo') await context.group.connectInfo(id, context.signal)
  else await context.list()
}
