import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'
import { call, refusalOf } from './provoked.ts'

const stopped = new Error('the caller has aborted')

export const abortCases: readonly ConformanceCase[] = [
  {
    name: 'a call whose signal has aborted does nothing and rejects',
    needs: { instances: 1 },
    async run(context) {
      const { group } = context
      const [id] = await context.launch(1)
      const signal = AbortSignal.abort(stopped)
      await rejectsSoon(context, 'list', group.list(signal))
      await rejectsSoon(context, 'increase', group.increase({ count: 1, launchToken: context.newToken() }, signal))
      await rejectsSoon(context, 'decrease', group.decrease([id!], signal))
      await rejectsSoon(context, 'connectInfo', group.connectInfo(id!, signal))
      const rows = await context.settle()
      ensure(
        rows.some((row) => row.id === id && row.state === 'running'),
        `${id} was removed by a call that had been aborted`,
      )
    },
  },
  {
    name: 'a running call ends within a second of its abort',
    needs: { instances: 1 },
    async run(context) {
      const { group } = context
      const calls: readonly [string, (signal: AbortSignal) => Promise<unknown>][] = [
        ['list', (signal) => group.list(signal)],
        ['increase', (signal) => group.increase({ count: 1, launchToken: context.newToken() }, signal)],
        ['decrease', (signal) => group.decrease(['nobody'], signal)],
      ]
      for (const [name, begin] of calls) {
        const controller = new AbortController()
        const answer = begin(controller.signal)
        controller.abort(stopped)
        const outcome = await outcomeWithin(context, answer, 1000)
        ensure(outcome !== 'continued', `${name} continued for more than a second after its abort`)
      }
      await context.settle()
    },
  },
  ...(['list', 'increase', 'decrease', 'connectInfo'] as const).map(
    (on): ConformanceCase => ({
      name: `${on} ends within a second of its abort while the cloud hangs, and works again`,
      needs: { instances: 1, cloud: ['inject', 'heal'], fault: 'hang' },
      async run(context) {
        const [id] = await context.launch(1)
        context.cloud.inject({ kind: 'hang', on })
        const controller = new AbortController()
        const answer = call(context, on, id!, controller.signal)
        // Long enough to have reached the cloud.
        const early = await outcomeWithin(context, answer, 50)
        if (early === 'resolved' && on === 'connectInfo') context.skip('connectInfo needed no call that could hang')
        ensure(early === 'continued', `the cloud hangs, and ${on} ${early}`)
        controller.abort(stopped)
        const outcome = await outcomeWithin(context, answer, 1000)
        ensure(
          outcome === 'rejected',
          `${on} ${outcome} after its abort while the cloud hangs; it must reject within a second`,
        )
        context.cloud.heal()
        const refusal = await refusalOf(context, on, id!)
        ensure(refusal === undefined, `${on} still fails when the cloud no longer hangs: ${refusal?.message}`)
      },
    }),
  ),
]

async function rejectsSoon(context: ConformanceContext, name: string, answer: Promise<unknown>): Promise<void> {
  const outcome = await outcomeWithin(context, answer, 1000)
  ensure(outcome === 'rejected', `${name} with an aborted signal ${outcome}; it must reject within a second`)
}

function outcomeWithin(
  context: ConformanceContext,
  answer: Promise<unknown>,
  ms: number,
): Promise<'resolved' | 'rejected' | 'continued'> {
  return Promise.race([
    answer.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    ),
    context.pause(ms).then(() => 'continued' as const),
  ])
}
