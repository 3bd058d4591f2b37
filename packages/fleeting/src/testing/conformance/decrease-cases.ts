import { alive, type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

export const decreaseCases: readonly ConformanceCase[] = [
  {
    name: 'decrease removes exactly the instances it names',
    needs: { instances: 3 },
    async run(context) {
      const [first, second, third] = await context.launch(3)
      await context.remove([second!])
      const rows = await context.settle()
      ensure(running(rows, first) && running(rows, third), `only ${second} was to be removed; left are ${shown(rows)}`)
    },
  },
  {
    name: 'decrease of several at once',
    needs: { instances: 2 },
    async run(context) {
      await context.remove(await context.launch(2))
    },
  },
  {
    name: 'decrease accepts instances that are being removed or are gone',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      await Promise.all([context.remove([id!]), context.remove([id!])])
      await accepts(context, [id!])
    },
  },
  {
    name: 'decrease accepts unknown ids and removes nothing for them',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      const there = (await context.list()).map((row) => row.id)
      // Neither a longer nor a shorter name may be taken for this one.
      const unknown = [unlike(id!), `${id}0`, id!.slice(0, -1)].filter((candidate) => !there.includes(candidate))
      await accepts(context, unknown)
      const rows = await context.settle()
      ensure(running(rows, id), `${id} was not named, but is gone: ${shown(rows)}`)
    },
  },
  {
    name: 'decrease of known, gone and unknown ids together removes the known',
    needs: { instances: 2 },
    async run(context) {
      const [gone, known] = await context.launch(2)
      await context.remove([gone!])
      await accepts(context, [gone!, known!, unlike(known!)])
      await context.until(
        `${known} to be gone`,
        (rows) => !rows.some((row) => row.id === known && row.state !== 'deleted'),
      )
    },
  },
  {
    name: 'decrease of nothing does nothing',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      const { accepted } = await context.group.decrease([], context.signal)
      ensure(accepted.length === 0, `nothing was named, but ${accepted.join(', ')} accepted`)
      ensure(running(await context.settle(), id), `nothing was named, but ${id} is gone`)
    },
  },
  {
    name: 'an instance that is still being created can be removed, and does not come back',
    needs: { instances: 1 },
    async run(context) {
      const before = new Set((await context.list()).map(({ id }) => id))
      const { ids } = await context.increase(1)
      const id =
        ids?.[0] ?? (await context.until('a new instance', (rows) => rows.find((row) => !before.has(row.id))?.id))
      await context.remove([id])
      await context.settle()
      // A list that is late shows it for a while, although it did not before.
      await context.until(`${id} to stay away, which was removed`, (rows) =>
        alive(rows).every((candidate) => before.has(candidate)),
      )
    },
  },
]

function running(rows: Awaited<ReturnType<ConformanceContext['list']>>, id: string | undefined): boolean {
  return rows.some((row) => row.id === id && row.state === 'running')
}

async function accepts(context: ConformanceContext, ids: readonly string[]): Promise<void> {
  const { accepted, errors = [] } = await context.group.decrease(ids, context.signal)
  const refused = ids.filter((id) => !accepted.includes(id))
  ensure(
    refused.length === 0,
    `expected ${refused.join(', ')} to be accepted: ${errors.map(({ message }) => message).join('; ') || 'no error was reported'}`,
  )
}

/** An id of the same look that nobody has. */
function unlike(id: string): string {
  const last = id.at(-1) ?? ''
  return `${id.slice(0, -1)}${/\d/.test(last) ? (Number(last) + 7) % 10 : 'zz'}zz`
}
