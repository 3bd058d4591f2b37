import { alive, type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

const orders = [
  ['increase', 'decrease'],
  ['decrease', 'increase'],
  ['increase', 'decrease', 'increase'],
  ['increase', 'increase', 'decrease'],
] as const

export const concurrencyCases: readonly ConformanceCase[] = [
  {
    name: 'concurrent increases add up',
    needs: { instances: 2 },
    async run(context) {
      const before = alive(await context.list())
      await Promise.all([context.increase(1), context.increase(1)])
      await exactly(context, before, 2)
    },
  },
  {
    name: 'concurrent decreases each remove only what they name',
    needs: { instances: 3 },
    async run(context) {
      const [first, second, third] = await context.launch(3)
      await Promise.all([context.remove([first!]), context.remove([third!])])
      const rows = await context.settle()
      ensure(
        rows.some(({ id, state }) => id === second && state === 'running'),
        `${second} was not named, and there is ${shown(rows)}`,
      )
    },
  },
  {
    name: 'concurrent increase and decrease do not affect each other, in either order',
    needs: { instances: 3 },
    async run(context) {
      const others = alive(await context.list())
      for (const order of orders) {
        const [old] = await context.launch(1)
        await Promise.all(
          order.map(async (call, place) => {
            await context.pause(place)
            await (call === 'increase' ? context.increase(1) : context.remove([old!]))
          }),
        )
        await exactly(context, others, order.length - 1)
        await context.remove(alive(await context.list()).filter((id) => !others.includes(id)))
      }
    },
  },
]

/** Waits until `count` instances run besides those that there were, and then makes sure that there come no more. */
async function exactly(context: ConformanceContext, others: readonly string[], count: number): Promise<void> {
  await context.until(
    `${count} new instances to run`,
    (rows) => rows.filter(({ id, state }) => state === 'running' && !others.includes(id)).length >= count,
  )
  const rows = await context.settle()
  const fresh = alive(rows).filter((id) => !others.includes(id))
  ensure(fresh.length === count, `expected ${count} new instances, got ${shown(rows)}`)
}
