import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type InstanceGroup, type Random, silentLogger } from '@runner-core/fleeting'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import type { WorldCloud } from './world-cloud.ts'
import type { WorldProcess } from './world-process.ts'

export interface HostGroupOptions {
  /** Its machines are the hosts. */
  readonly cloud: WorldCloud
  readonly process: WorldProcess
  /** Where the group writes down what it lends. */
  readonly directory: string
  readonly random: Random
}

/** The host that an instance is a loan of. */
export function hostOf(id: string): string {
  return id.slice(0, id.indexOf('#'))
}

/** Loans that the group has written down. */
export function writtenLoans(directory: string): readonly string[] {
  const file = join(directory, 'loans.json')
  if (!existsSync(file)) return []
  const { loans } = JSON.parse(readFileSync(file, 'utf8')) as { loans: readonly { readonly id: string }[] }
  return loans.map(({ id }) => id)
}

/** The real static group: an instance is a loan of a host, and a host outlives its loans with all that is on it. */
export function hostGroup({ cloud, process, directory, random }: HostGroupOptions): InstanceGroup {
  const instances = Object.fromEntries(
    cloud.ids.map((name) => [name, { internal_addr: '127.0.0.1', username: 'world' }]),
  )
  const { clock } = process
  const context = {
    fleet: 'world',
    connector: { password: 'world' },
    logger: silentLogger,
    clock,
    random,
    stateDir: directory,
  }
  const group = createInstanceGroup({ instances }, context)
  return {
    init: (signal) => group.init(signal),
    list: (signal) => group.list(signal),
    increase: (request, signal) => group.increase(request, signal),
    decrease: (ids, signal) => group.decrease(ids, signal),
    connectInfo: (id, signal) => group.connectInfo(id, signal),
    async connect(id, signal) {
      await group.connectInfo(id, signal)
      return await cloud.connect!(hostOf(id), signal)
    },
    shutdown: () => group.shutdown(),
  }
}
