import type { ListedInstance } from '../../contract/instance-group.ts'
import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'

/** No cloud has a state of this name. */
const unheardOf = 'CONFORMANCE_LEVITATING'

export const stateCases: readonly ConformanceCase[] = [
  {
    name: 'every state of the cloud maps to an allowed state',
    needs: { instances: 1, cloud: ['states', 'setState'], tells: 'states' },
    async run(context) {
      const [id] = await context.launch(1)
      const wrong: string[] = []
      for (const [word, allowed] of context.cloud.states) {
        const { state } = await shownAs(context, id!, word)
        if (!allowed.includes(state ?? 'deleted'))
          wrong.push(`${word}: expected ${allowed.join(' or ')}, got ${state ?? 'no row'}`)
      }
      ensure(wrong.length === 0, wrong.join('; '))
    },
  },
  {
    name: 'an unheard-of state is shown as unknown, with its name',
    needs: { instances: 1, cloud: ['setState'], tells: 'states' },
    async run(context) {
      const [id] = await context.launch(1)
      const { state, detail = '' } = await shownAs(context, id!, unheardOf)
      ensure(state !== undefined, `${id} is in the state ${unheardOf}, but list drops it`)
      ensure(state === 'unknown', `${id} is in the state ${unheardOf}, which list takes for ${state}`)
      ensure(
        detail.toLowerCase().includes(unheardOf.toLowerCase()),
        `expected ${unheardOf} in the detail, got ${JSON.stringify(detail)}`,
      )
    },
  },
]

async function shownAs(context: ConformanceContext, id: string, word: string): Promise<Partial<ListedInstance>> {
  context.cloud.setState(id, word)
  await context.pause(context.info.listLagMs ?? 0)
  return (await context.list()).find((row) => row.id === id) ?? {}
}
