import { asGroupError } from '../../contract/errors.ts'
import type { IncreaseResult } from '../../contract/instance-group.ts'
import { alive, type ConformanceCase, type ConformanceContext, ensure, shown, young } from './conformance-case.ts'

export const increaseCases: readonly ConformanceCase[] = [
  {
    name: 'increase by one launches exactly one instance, which ends up running',
    needs: { instances: 1 },
    async run(context) {
      const before = new Set(alive(await context.list()))
      const result = await context.increase(1)
      const id = await context.until('a new instance', (rows) =>
        alive(rows).find((candidate) => !before.has(candidate)),
      )
      if (result.ids !== undefined)
        ensure(
          result.ids.length === 1 && result.ids[0] === id,
          `increase returned the ids ${result.ids.join(', ')}, but list shows ${id}`,
        )
      await context.until('it to run', (rows) => rows.some((row) => row.id === id && row.state === 'running'))
      const rows = await context.settle()
      ensure(alive(rows).length === before.size + 1, `expected one more than ${before.size}, got ${shown(rows)}`)
    },
  },
  {
    name: 'a new instance is creating or running, and keeps its id',
    needs: { instances: 1 },
    async run(context) {
      const before = new Set((await context.list()).map(({ id }) => id))
      await context.increase(1)
      let id: string | undefined
      await context.until('it to run', (rows) => {
        const row = rows.find((candidate) => !before.has(candidate.id))
        ensure(id === undefined || id === row?.id, `the instance was ${id}, and is ${row?.id ?? 'gone'} now`)
        ensure(
          row === undefined || young.includes(row.state),
          `expected ${row?.id} to be creating or running, got ${row?.state}`,
        )
        id = row?.id
        return row?.state === 'running'
      })
    },
  },
  {
    name: 'increase by several in one call',
    needs: { instances: 3 },
    async run(context) {
      const first = await context.launch(1)
      const more = await context.launch(2)
      ensure(new Set([...first, ...more]).size === 3, `expected three ids, got ${[...first, ...more].join(', ')}`)
      const rows = await context.list()
      ensure(
        [...first, ...more].every((id) => alive(rows).includes(id)),
        `expected ${[...first, ...more].join(', ')}, got ${shown(rows)}`,
      )
    },
  },
  {
    name: 'increase by zero launches nothing',
    async run(context) {
      const before = alive(await context.list()).length
      const { requested } = await context.group
        .increase({ count: 0, launchToken: context.newToken() }, context.signal)
        .catch(() => ({ requested: 0 }))
      const rows = await context.settle()
      ensure(
        requested === 0 && alive(rows).length === before,
        `nothing was requested, ${requested} accepted, and there is ${shown(rows)}`,
      )
    },
  },
  {
    name: 'a launch token that list shows launches only once, however often it is used',
    needs: { instances: 2 },
    async run(context) {
      const token = context.newToken()
      await context.increase(1, token)
      const row = await context.until(
        'a new instance',
        (rows) =>
          rows.find(({ launchToken }) => launchToken === token) ?? rows.find(({ state }) => young.includes(state)),
      )
      if (row.launchToken !== token) context.skip('list shows no launch tokens')
      await context.increase(1, token)
      const same = (await context.settle()).filter(
        ({ launchToken, state }) => launchToken === token && state !== 'deleting',
      )
      ensure(same.length === 1, `token ${token} was used twice and launched ${shown(same)}`)
    },
  },
  {
    name: 'increase beyond the maximum accepts what fits and returns a quota error for the rest',
    needs: { instances: 1, wholeGroup: true },
    async run(context) {
      const { group, info, signal } = context
      if (info.maxSize > 1) await context.launch(info.maxSize - 1)
      const result = await group.increase({ count: 3, launchToken: context.newToken() }, signal)
      ensure(result.requested === 1, `there was room for 1, and ${result.requested} were accepted`)
      expectQuota(result)
      await context.until('a full group', (rows) => alive(rows).length === info.maxSize)
      const full = await increaseFull(context)
      ensure(full.requested === 0, `there was no room, and ${full.requested} were accepted`)
      expectQuota(full)
      const rows = await context.settle()
      ensure(alive(rows).length <= info.maxSize, `the maximum is ${info.maxSize}, and there are ${shown(rows)}`)
    },
  },
  {
    name: 'an id is never reused',
    needs: { instances: 1 },
    async run(context) {
      const [first] = await context.launch(1)
      await context.remove([first!])
      const [second] = await context.launch(1)
      ensure(first !== second, `${first} was removed, and is the id of another instance now`)
    },
  },
]

function expectQuota({ errors = [] }: IncreaseResult): void {
  const codes = errors.map((error) => asGroupError(error).code)
  ensure(codes.includes('quota'), `expected a quota error for what does not fit, got ${codes.join(', ') || 'none'}`)
}

/** With nothing requested, throwing says the same. */
async function increaseFull(context: ConformanceContext): Promise<IncreaseResult> {
  try {
    return await context.group.increase({ count: 1, launchToken: context.newToken() }, context.signal)
  } catch (error) {
    return { requested: 0, errors: [asGroupError(error)] }
  }
}
