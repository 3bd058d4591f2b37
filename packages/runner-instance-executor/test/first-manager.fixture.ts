// The first half of a job: run as a process of its own, to be killed under it. Writes what the coordinator would have
// (`trace`) and what the journal would hold (`checkpoint`).
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import { type JobCheckpoint, type JobPayload, Trace } from '@runner-core/job'
import type { SlotClaimsOptions } from '../src/index.ts'
import { ExecutorFleet } from './executor-fleet.ts'

export interface FirstManager {
  readonly job: JobPayload
  readonly secrets: readonly string[]
  readonly port: number
  readonly hostKey: string
  readonly username: string
  readonly privateKey: string
  readonly builds: string
  readonly shell: 'bash' | 'sh'
  readonly directory: string
  /** See `FleetOptions`. */
  readonly claims?: SlotClaimsOptions
  readonly detach?: boolean
}

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as FirstManager
const { job, secrets, port, hostKey, username, privateKey, builds, shell, directory, claims, detach = true } = config
const fleet = await ExecutorFleet.start({
  createInstanceGroup,
  pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${port}`, host_key: hostKey } } }),
  connector: { username, privateKey, timeoutMs: 10_000 },
  maxInstances: 1,
  ...(claims && { claims }),
  executor: {
    ...(detach && { detach: { limitBytes: 4_000_000, reconnectGraceMs: 30_000 } }),
    shell,
    buildsDir: builds,
  },
})
const log = new Trace({ secrets })
let take: (() => JobCheckpoint) | undefined
const keep = (): void => {
  if (take === undefined) return
  const trace = log.read(0, log.size) as Buffer
  writeFileSync(`${directory}/new`, JSON.stringify({ checkpoint: take(), trace: trace.toString('latin1') }))
  renameSync(`${directory}/new`, `${directory}/kept`)
}
await fleet.run(job, {
  log,
  onOutput: () => setImmediate(keep),
  onCheckpoint: (given) => {
    take = given
    keep()
  },
})
// A short job may have ended before what it printed was kept.
keep()
// Nobody waits for a process that should have been killed.
process.exit(1)
