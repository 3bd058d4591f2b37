import type { InstanceState, ListedInstance } from '@runner-core/fleeting'

/** The wire's states by number. `timeout` is upstream's word for what will never be usable. */
const states: readonly InstanceState[] = [
  'creating',
  'running',
  'deleting',
  'deleted',
  'failed',
  'suspending',
  'suspended',
  'resuming',
]

/** One row of the wire; a state whose number nobody has heard of is `unknown`. */
export function rowOfWire(id: string, number: number): ListedInstance {
  const state = states[number]
  if (state === undefined) return { id, state: 'unknown', detail: `state ${number}` }
  return state === 'failed' ? { id, state, detail: 'timeout' } : { id, state }
}

/** The wire's number of a state; undefined for `unknown`, which the wire has no word for. */
export function wireStateOf(state: InstanceState): number | undefined {
  const number = states.indexOf(state)
  return number === -1 ? undefined : number
}
