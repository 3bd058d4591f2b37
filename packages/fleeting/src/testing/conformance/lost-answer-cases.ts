import { asGroupError, type GroupError } from '../../contract/errors.ts'
import { alive, type ConformanceCase, ensure, shown } from './conformance-case.ts'

/** The cloud acts, and the connection is cut before it can say so. */
export const lostAnswerCases: readonly ConformanceCase[] = [
  {
    name: 'an increase whose response was lost launches no more than requested, and list shows the result',
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: 'lost_answer' },
    async run(context) {
      const { cloud } = context
      const before = new Set((await context.list()).map(({ id }) => id))
      cloud.inject({ kind: 'lost_answer', on: 'increase', times: 1 })
      const error = await errorOf(context.group.increase({ count: 2, launchToken: context.newToken() }, context.signal))
      ensure(
        error === undefined || error.code === 'transient',
        `the outcome cannot be known: expected transient, got ${error?.code}`,
      )
      context.note(error === undefined ? 'retried on its own' : 'threw, as the outcome cannot be known')
      const fresh = await context.until('2 new instances', (rows) => {
        const ids = alive(rows).filter((id) => !before.has(id))
        return ids.length >= 2 && ids
      })
      await context.settle()
      const made = cloud.machines().filter((id) => !before.has(id))
      ensure(made.length === 2, `2 were requested, and the cloud has ${made.join(', ')}`)
      ensure(
        made.every((id) => fresh.includes(id)),
        `the cloud has ${made.join(', ')}, but list shows ${fresh.join(', ')}`,
      )
    },
  },
  {
    name: 'reusing a token after a lost response launches nothing more, where the cloud can tell',
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: 'lost_answer' },
    async run(context) {
      const { cloud } = context
      const known = new Set((await context.list()).map(({ id }) => id))
      const before = cloud.machines().length
      const request = { count: 1, launchToken: context.newToken() }
      cloud.inject({ kind: 'lost_answer', on: 'increase', times: 1 })
      await errorOf(context.group.increase(request, context.signal))
      const { requested } = await context.group.increase(request, context.signal)
      ensure(requested === 1, `the token was used again: expected 1 requested, got ${requested}`)
      await context.until('1 new instance', (rows) => alive(rows).some((id) => !known.has(id)))
      const rows = await context.settle()
      const tells = rows.some(({ launchToken }) => launchToken === request.launchToken)
      const made = cloud.machines().length - before
      ensure(
        made === 1 || (made === 2 && !tells),
        `1 was requested twice with one token, and the cloud launched ${made}`,
      )
      context.note(
        made === 1
          ? 'the cloud can tell'
          : 'the cloud cannot tell: a caller that retries without reading list gets twice as many',
      )
    },
  },
  {
    name: 'a decrease whose response was lost can be retried and removes only what it names',
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: 'lost_answer' },
    async run(context) {
      const [named, other] = await context.launch(2)
      context.cloud.inject({ kind: 'lost_answer', on: 'decrease', times: 1 })
      await errorOf(context.group.decrease([named!], context.signal))
      await context.remove([named!])
      const rows = await context.settle()
      ensure(
        context.cloud.machines().includes(other!),
        `only ${named} was to be removed, but ${other} is gone: ${shown(rows)}`,
      )
    },
  },
]

async function errorOf(promise: Promise<unknown>): Promise<GroupError | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return asGroupError(error)
  }
}
