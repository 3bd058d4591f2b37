import type { CloudCall, FaultyCall } from './cloud-controls.ts'
import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'

/**
 * The most calls that one `list` of a few machines may take: the group, its machines, their addresses, its failures,
 * and a second page.
 */
const fewCalls = 6

/** What calls of the group cost in calls of the cloud. */
export const callCases: readonly ConformanceCase[] = [
  {
    name: 'list takes few calls, not one for each instance',
    needs: { instances: 3, cloud: ['calls'] },
    async run(context) {
      // Right after a change a group may look once at how it ended: what is counted is the list that is read again and
      // again.
      await context.settle()
      const empty = await counted(context, 'list', 'list without new instances', () => context.list())
      await context.launch(3)
      await context.settle()
      const full = await counted(context, 'list', 'list with 3 more instances', () => context.list())
      ensure(full.length <= fewCalls, `list with 3 more instances took ${full.length} calls: ${named(full)}`)
      const more = full.length - empty.length
      ensure(more < 3, `3 more instances make list ${more} calls longer: ${named(full)}`)
    },
  },
  {
    name: 'increase, connectInfo and decrease draw from the rate limits that init reports',
    needs: { instances: 3, cloud: ['calls'] },
    async run(context) {
      const before = new Set((await context.list()).map(({ id }) => id))
      await counted(context, 'increase', 'increase by 3', () => context.increase(3))
      const ids = await context.until('3 new instances to run', (rows) => {
        const running = rows.filter(({ id, state }) => state === 'running' && !before.has(id))
        return running.length === 3 && running.map(({ id }) => id)
      })
      await counted(context, 'connectInfo', 'connectInfo', () => context.group.connectInfo(ids[0]!, context.signal))
      await counted(context, 'decrease', 'decrease by 3', () => context.group.decrease(ids, context.signal))
    },
  },
]

/**
 * The calls of the cloud that `act` takes, noted. A limit that the group knows, and draws from without telling so,
 * cannot be kept by anybody.
 */
async function counted(
  context: ConformanceContext,
  operation: FaultyCall,
  what: string,
  act: () => Promise<unknown>,
): Promise<readonly CloudCall[]> {
  const before = context.cloud.calls().length
  await act()
  const calls = context.cloud.calls().slice(before)
  context.note(
    `${what}: ${calls.length} ${calls.length === 1 ? 'call' : 'calls'}${calls.length > 0 ? `: ${named(calls)}` : ''}`,
  )
  const { rateLimits } = context.info
  const told = rateLimits?.draws(operation, 3) ?? {}
  const untold = calls.filter(({ bucket }) => Object.hasOwn(rateLimits?.buckets ?? {}, bucket) && !told[bucket])
  ensure(
    untold.length === 0,
    `${what} draws from ${untold.map(({ bucket }) => bucket).join(', ')}, which init does not report: ${named(untold)}`,
  )
  return calls
}

function named(calls: readonly CloudCall[]): string {
  return calls.map(({ operation }) => operation).join(', ')
}
