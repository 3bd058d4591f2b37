import { GroupError } from '../../contract/errors.ts'
import type { InstanceState, ListedInstance } from '../../contract/instance-group.ts'

const states: ReadonlySet<string> = new Set<InstanceState>([
  'creating',
  'running',
  'suspending',
  'suspended',
  'resuming',
  'deleting',
  'deleted',
  'failed',
  'unknown',
])

/**
 * What a plugin's `list`, or `describe`, answered, checked. A state that is none of ours is `unknown`. Thrown:
 * `transient`, when it is no list of instances; half of one is never used.
 */
export function parseList(answer: unknown, operation: 'list' | 'describe' = 'list'): readonly ListedInstance[] {
  if (!Array.isArray(answer)) throw new GroupError('transient', `${operation}: expected an array, got ${typeof answer}`)
  return answer.map((row: unknown, index) => {
    const { id, state } = Object(row) as { id?: unknown; state?: unknown }
    if (typeof id !== 'string' || id === '')
      throw new GroupError(
        'transient',
        `${operation}[${index}].id: expected a non-empty string, got ${JSON.stringify(id)}`,
      )
    if (typeof state === 'string' && states.has(state)) return row as ListedInstance
    return { ...(row as ListedInstance), state: 'unknown', detail: String(state) }
  })
}
