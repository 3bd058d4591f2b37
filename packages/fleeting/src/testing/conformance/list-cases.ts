import { type ConformanceCase, ensure, shown } from './conformance-case.ts'

export const listCases: readonly ConformanceCase[] = [
  {
    name: 'list returns the same while nothing happens',
    async run(context) {
      const [first, second] = [await context.list(), await context.list()]
      ensure(shown(sorted(first)) === shown(sorted(second)), `expected ${shown(first)} again, got ${shown(second)}`)
    },
  },
  {
    name: 'list shows every instance that the cloud has, and no others',
    needs: { instances: 3, cloud: [] },
    async run(context) {
      const { cloud } = context
      await context.launch(3)
      const rows = await context.settle()
      const machines = cloud.machines()
      const left = machines.filter((id) => !rows.some((row) => row.id === id))
      ensure(left.length === 0, `the cloud has ${left.join(', ')} too, but list shows ${shown(rows)}`)
      const invented = rows.filter(({ id, state }) => state === 'running' && !machines.includes(id))
      ensure(invented.length === 0, `the cloud has only ${machines.join(', ')}, but list shows ${shown(rows)}`)
    },
  },
]

function sorted<T extends { readonly id: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => a.id.localeCompare(b.id))
}
