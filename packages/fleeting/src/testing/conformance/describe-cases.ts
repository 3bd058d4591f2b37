import type { ListedInstance } from '../../contract/instance-group.ts'
import { parseList } from '../../provisioner/instances/parse-list.ts'
import { type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

/** Groups that can be asked for single instances; the others skip these. */
export const describeCases: readonly ConformanceCase[] = [
  {
    name: 'describe reports running instances as running, and no others',
    needs: { instances: 3 },
    async run(context) {
      const [first, second, other] = await context.launch(3)
      const rows = await described(context, [first!, second!])
      ensure(
        [first, second].every((id) => rows.some((row) => row.id === id && row.state === 'running')),
        `${first} and ${second} are running, but describe shows ${shown(rows)}`,
      )
      ensure(
        rows.length === 2 && rows.every(({ id }) => id !== other),
        `${first} and ${second} were requested: ${shown(rows)}`,
      )
    },
  },
  {
    name: 'describe reports an instance as gone only when it is',
    needs: { instances: 2 },
    async run(context) {
      const [gone, there] = await context.launch(2)
      await described(context, [gone!, there!])
      await context.remove([gone!])
      const rows = await described(context, [gone!, there!, `${there}0`])
      const alive = rows.filter(({ state }) => state === 'running').map(({ id }) => id)
      ensure(alive.length === 1 && alive[0] === there, `only ${there} is running, but describe shows ${shown(rows)}`)
    },
  },
  {
    name: 'describe of nothing returns nothing',
    needs: { instances: 1 },
    async run(context) {
      await context.launch(1)
      const rows = await described(context, [])
      ensure(rows.length === 0, `nothing was requested: ${shown(rows)}`)
    },
  },
]

async function described(context: ConformanceContext, ids: readonly string[]): Promise<readonly ListedInstance[]> {
  const { group, signal } = context
  if (group.describe === undefined) context.skip('the group cannot describe single instances')
  return parseList(await group.describe(ids, signal), 'describe')
}
