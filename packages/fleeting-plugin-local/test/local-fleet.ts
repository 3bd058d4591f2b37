import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { createInstanceGroup } from '../src/index.ts'

export const { signal } = new AbortController()

/** With `stateDir` the fleet's state is durable. */
export async function startGroup(config: object = {}, stateDir?: string): Promise<InstanceGroup> {
  const durable = stateDir !== undefined && { stateDir }
  const context = {
    fleet: 'test',
    ...durable,
    connector: {},
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  }
  const group = createInstanceGroup(config, context)
  await group.init(signal)
  return group
}

/** Launches instances and waits until all of the group run. */
export async function launch(group: InstanceGroup, count: number): Promise<readonly string[]> {
  const { ids } = await group.increase({ count, launchToken: `token-${Math.random()}` }, signal)
  await until(async () => {
    const instances = await group.list(signal)
    const failed = instances.find(({ state }) => state === 'failed')
    if (failed !== undefined) throw new Error(failed.detail)
    return instances.every(({ state }) => state === 'running')
  })
  return ids!
}

export async function connect(group: InstanceGroup, id: string): Promise<Connection> {
  return createSshConnector({ connector: { hostKeyChecking: 'strict' } }).connect(
    await group.connectInfo(id, signal),
    signal,
  )
}

/**
 * Polls until `condition` holds. Thrown after 20 s, less than a test's time limit, so that its cleaning up still runs.
 */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`still not so after 20 s: ${String(condition)}`)
    await sleep(5)
  }
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly status: object
}

export async function run(connection: Connection, command: string, stdin?: string): Promise<Output> {
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  const execution = await connection.exec(command, {
    stdout: (chunk) => void out.push(chunk),
    stderr: (chunk) => void err.push(chunk),
    ...(stdin !== undefined && { stdin }),
  })
  const status = await execution.closed
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), status }
}

/** True while the process runs; one that is a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !/^State:\s+Z/m.test(readStatus(pid))
}

export const directoryOf = async (connection: Connection): Promise<string> =>
  (await run(connection, 'cd .. && pwd')).stdout.trim()
export const isGone = (path: string): boolean => !existsSync(path)

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return 'State: Z'
  }
}
