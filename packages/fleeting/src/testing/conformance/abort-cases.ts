import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'

const stopped = new Error('the caller has given up')

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
    name: 'a call under way ends within a second of its abort',
    needs: { instances: 1 },
    async run(context) {
      const { group } = context
      const calls: readonly [string, (signal: AbortSignal) => Promise<unknown>][] = [
        ['list', (signal) => group.list(signal)],
        ['increase', (signal) => group.increase({ count: 1, launchToken: context.newToken() }, signal)],
        ['decrease', (signal) => group.decrease(['nobody'], signal)],
      ]
      for (const [name, call] of calls) {
        const controller = new AbortController()
        const answer = call(controller.signal)
        controller.abort(stopped)
        const ended = answer.then(
          () => true,
          () => true,
        )
        ensure(await Promise.race([ended, context.pause(1000).then(() => false)]), `${name} went on for more than a second after its abort`)
      }
      await context.settle()
    },
  },
]

async function rejectsSoon(context: ConformanceContext, name: string, answer: Promise<unknown>): Promise<void> {
  const outcome = await Promise.race([
    answer.then(
      () => 'resolved',
      () => 'rejected',
    ),
    context.pause(1000).then(() => 'went on'),
  ])
  ensure(outcome === 'rejected', `${name} with an aborted signal ${outcome}; it must reject within a second`)
}
