import { systemClock } from '../clock.ts'
import { deadline } from '../deadline.ts'
import { describeError } from '../describe-error.ts'
import { initGroup } from '../init-group.ts'
import type { GroupInfo } from '../instance-group.ts'
import { exitCode } from './exit-code.ts'
import { readGroupConfig } from './group-config.ts'
import { loadGroup } from './load-group.ts'
import type { Output } from './output.ts'
import { StartError } from './start-error.ts'

const patienceMs = 60_000

/** `fleeting doctor`: initialises a group, and prints what it is and what it finds. Failed: with a finding that is an error. Thrown: {@link StartError}. */
export async function doctor(
  plugin: string,
  { config, json }: { readonly config?: string; readonly json?: true },
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const group = (await loadGroup(plugin, await readGroupConfig(config)))()
  using limit = deadline(systemClock, patienceMs, () => new Error(`init took more than ${patienceMs} ms`), signal)
  let info: GroupInfo
  try {
    info = await initGroup(group, limit.signal)
  } catch (cause) {
    throw new StartError(`the group cannot be initialised: ${describeError(cause)}`, { cause })
  } finally {
    await group.shutdown()
  }
  if (json) output.out(JSON.stringify(info, undefined, 2))
  else for (const line of describeGroup(info)) output.out(line)
  return info.findings?.some(({ severity }) => severity === 'error') ? exitCode.failed : exitCode.ok
}

/** Lines that say what a group is, its findings last. */
export function describeGroup({ id, version, maxSize, capabilities = [], placements = [], findings = [] }: GroupInfo): readonly string[] {
  return [
    `group         ${id} (plugin ${version})`,
    `maximum       ${maxSize === Number.POSITIVE_INFINITY ? 'none' : maxSize}`,
    `capabilities  ${capabilities.join(', ') || 'none'}`,
    ...(placements.length > 0 ? [`placements    ${placements.join(', ')}`] : []),
    `findings      ${findings.length === 0 ? 'none' : findings.length}`,
    ...findings.flatMap(({ code, severity, message, fix }) => [`  ${severity}  ${code}: ${message}`, `    fix: ${fix}`]),
  ]
}
