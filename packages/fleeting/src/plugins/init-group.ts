import { describeValue } from '../contract/config-table.ts'
import { GroupError } from '../contract/errors.ts'
import type { GroupInfo, InstanceGroup } from '../contract/instance-group.ts'

const required = [
  'init',
  'list',
  'increase',
  'decrease',
  'connectInfo',
  'shutdown',
] as const satisfies readonly (keyof InstanceGroup)[]

/**
 * Whether a plugin, which may be plain JavaScript, made something that can be an instance group. Thrown:
 * `invalid_config`, with every method that it lacks.
 */
export function checkGroup(group: InstanceGroup): void {
  if (typeof group !== 'object' || group === null) {
    throw new GroupError(
      'invalid_config',
      `createInstanceGroup: expected an instance group, got ${describeValue(group)}`,
    )
  }
  const missing = required.filter((method) => typeof group[method] !== 'function')
  if (missing.length > 0) throw new GroupError('invalid_config', `the plugin's group lacks ${missing.join(', ')}`)
}

/**
 * Calls `init` and checks what all else is built on. Thrown: what `init` throws, `invalid_config` for an answer that
 * cannot be used.
 */
export async function initGroup(group: InstanceGroup, signal: AbortSignal): Promise<GroupInfo> {
  const info = await group.init(signal)
  const { id, maxSize } = Object(info) as { readonly id?: unknown; readonly maxSize?: unknown }
  const problems: string[] = []
  if (typeof id !== 'string' || id === '')
    problems.push(`init: id: expected a non-empty string, got ${describeValue(id)}`)
  if (typeof maxSize !== 'number' || !(maxSize >= 0)) {
    const got = typeof maxSize === 'number' ? String(maxSize) : describeValue(maxSize)
    problems.push(`init: maxSize: expected a number of at least 0, got ${got}`)
  }
  if (problems.length > 0) throw new GroupError('invalid_config', problems.join('\n'))
  return info
}
