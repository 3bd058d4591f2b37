import { type InstanceGroup, silentLogger } from '@runner-core/fleeting'
import { Provisioner, withCallBudget } from '@runner-core/fleeting/provisioner'
import { type CloudControls, seededRandom } from '@runner-core/fleeting/testing'
import { Taskscaler, type TaskscalerOptions } from '@runner-core/taskscaler'
import { connection } from './connection.ts'
import type { SteppedTime } from './stepped-time.ts'

const never = new AbortController().signal

/** A scaler of at most 50 instances in simulated time, within the group's call budget. Its connections cost nothing. */
export async function startScaler(
  time: SteppedTime,
  cloud: { readonly group: InstanceGroup; readonly controls: CloudControls },
  options: Pick<TaskscalerOptions, 'policies'> = {},
): Promise<Taskscaler> {
  const { clock } = time
  const context = { logger: silentLogger, clock, random: seededRandom(1) }
  const group = withCallBudget(time.watch(cloud.group, cloud.controls), context)
  const connector = { connect: async () => connection }
  const provisioner = await time.until(Provisioner.start({ group, connector, maxInstances: 50, ...context }, never))
  return await time.until(Taskscaler.start({ provisioner, onDispose: 'keep-instances', clock, ...options }, never))
}

/**
 * Lets so many jobs wait for a slot and its connection while `ms` pass, and shuts the scaler down. Milliseconds that
 * each waited.
 */
export async function waitsOf(
  time: SteppedTime,
  scaler: Taskscaler,
  jobs: number,
  ms: number,
): Promise<readonly number[]> {
  const { clock } = time
  const waits: number[] = []
  for (let job = 0; job < jobs; job += 1) {
    const askedAt = clock.now()
    void scaler
      .acquire(scaler.reserve())
      .then((acquisition) => acquisition.connect())
      .then(() => waits.push(clock.now() - askedAt))
      .catch(() => {})
  }
  await time.pass(ms)
  await time.until(scaler.shutdown({ removeInstances: false }))
  return waits
}
