import { systemClock } from '../contract/clock.ts'
import { deadline } from '../contract/deadline.ts'
import { describeError } from '../contract/describe-error.ts'
import { describeOwners, type GroupOwner } from '../contract/group-owner.ts'
import type { GroupInfo, InstanceGroup } from '../contract/instance-group.ts'
import { initGroup } from '../plugins/init-group.ts'
import { exitCode } from './exit-code.ts'
import { readGroupConfig } from './group-config.ts'
import { loadGroup } from './load-group.ts'
import type { Output } from './output.ts'
import { StartError } from './start-error.ts'

const patienceMs = 60_000

/**
 * `fleeting doctor`: initialises a group, and prints what it is, who has it, and what it finds. Failed: with a finding
 * that is an error. Thrown: {@link StartError}.
 */
export async function doctor(
  plugin: string,
  { config, json }: { readonly config?: string; readonly json?: true },
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const group = (await loadGroup(plugin, await readGroupConfig(config))).make()
  using limit = deadline(systemClock, patienceMs, () => new Error(`init took more than ${patienceMs} ms`), signal)
  let info: GroupInfo
  let owners: readonly GroupOwner[] | undefined
  try {
    info = await initGroup(group, limit.signal)
    owners = await ownersOf(group, limit.signal)
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    throw new StartError(`the group cannot be initialized: ${describeError(cause)}`, { cause })
  } finally {
    await group.shutdown()
  }
  if (json) output.out(JSON.stringify({ ...info, owners }, undefined, 2))
  else for (const line of describeGroup(info, owners)) output.out(line)
  return info.findings?.some(({ severity }) => severity === 'error') ? exitCode.failed : exitCode.ok
}

/** Undefined where the group holds no owner. */
async function ownersOf(group: InstanceGroup, signal: AbortSignal): Promise<readonly GroupOwner[] | undefined> {
  try {
    return await group.owners?.(signal)
  } catch (cause) {
    throw new StartError(`the owner of the group cannot be read: ${describeError(cause)}`, { cause })
  }
}

/** Lines that say what a group is, and who has it where that is known, its findings last. */
export function describeGroup(
  { id, version, maxSize, capabilities = [], placements = [], findings = [], untold = [] }: GroupInfo,
  owners?: readonly GroupOwner[],
): readonly string[] {
  return [
    `group         ${id} (plugin ${version})`,
    `maximum       ${maxSize === Number.POSITIVE_INFINITY ? 'none' : maxSize}`,
    `capabilities  ${capabilities.join(', ') || 'none'}`,
    ...(placements.length > 0 ? [`placements    ${placements.join(', ')}`] : []),
    ...(owners === undefined ? [] : [`owner         ${describeOwners(owners)}`]),
    `findings      ${untold.includes('findings') ? "unknown: the plugin's protocol cannot report any" : findings.length === 0 ? 'none' : findings.length}`,
    ...findings.flatMap(({ code, severity, message, fix }) => [
      `  ${severity}  ${code}: ${message}`,
      `    fix: ${fix}`,
    ]),
  ]
}
