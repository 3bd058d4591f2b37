import type { InstanceState } from '@runner-core/fleeting'

/** The wire's states by number. `timeout` is upstream's word for what will never be usable. */
const states: readonly InstanceState[] = ['creating', 'running', 'deleting', 'deleted', 'failed', 'suspending', 'suspended', 'resuming']

/** A state of the wire; a number that nobody has heard of is `unknown`. */
export function stateOfWire(state: number): { readonly state: InstanceState; readonly detail?: string } {
  const known = states[state]
  if (known === undefined) return { state: 'unknown', detail: `state ${state}` }
  return known === 'failed' ? { state: known, detail: 'timeout' } : { state: known }
}
