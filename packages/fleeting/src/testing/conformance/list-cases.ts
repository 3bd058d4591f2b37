import type { CloudCall } from './cloud-hand.ts'
import { type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

/** The most calls that one `list` of a few machines may take: the group, its machines, their addresses, its failures, and a second page. */
const fewCalls = 6

export const listCases: readonly ConformanceCase[] = [
  {
    name: 'list answers the same while nothing happens',
    async run(context) {
      const [first, second] = [await context.list(), await context.list()]
      ensure(shown(sorted(first)) === shown(sorted(second)), `expected ${shown(first)} again, got ${shown(second)}`)
    },
  },
  {
    name: 'list shows every machine that the cloud has, and no other',
    needs: { instances: 3, cloud: [] },
    async run(context) {
      const { cloud } = context
      await context.launch(3)
      const rows = await context.settle()
      const machines = cloud.machines()
      const left = machines.filter((id) => !rows.some((row) => row.id === id))
      ensure(left.length === 0, `the cloud has ${left.join(', ')} too, and list shows ${shown(rows)}`)
      const invented = rows.filter(({ id, state }) => state === 'running' && !machines.includes(id))
      ensure(invented.length === 0, `the cloud has only ${machines.join(', ')}, and list shows ${shown(rows)}`)
    },
  },
  {
    name: 'list takes few calls, and not one for each machine',
    needs: { instances: 3, cloud: ['calls'] },
    async run(context) {
      const empty = await counted(context, 'list without new machines', () => context.list())
      const ids = await counted(context, 'increase by 3', () => context.increase(3)).then(() =>
        context.until('3 new instances to run', (rows) => {
          const running = rows.filter(({ id, state }) => state === 'running' && context.cloud.machines().includes(id))
          return running.length >= 3 && running.map(({ id }) => id)
        }),
      )
      const full = await counted(context, 'list with 3 more machines', () => context.list())
      await counted(context, 'connectInfo', () => context.group.connectInfo(ids[0]!, context.signal))
      ensure(full.length <= fewCalls, `list of ${ids.length} machines took ${full.length} calls: ${named(full)}`)
      const more = full.length - empty.length
      ensure(more < 3, `3 machines more make list ${more} calls longer: ${named(full)}`)
    },
  },
]

async function counted(context: ConformanceContext, what: string, act: () => Promise<unknown>): Promise<readonly CloudCall[]> {
  const before = context.cloud.calls().length
  await act()
  const calls = context.cloud.calls().slice(before)
  context.note(`${what}: ${calls.length} calls${calls.length > 0 ? `: ${named(calls)}` : ''}`)
  return calls
}

function named(calls: readonly CloudCall[]): string {
  return calls.map(({ operation }) => operation).join(', ')
}

function sorted<T extends { readonly id: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => a.id.localeCompare(b.id))
}
