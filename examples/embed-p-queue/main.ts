// Twelve tasks of a queue, each on a slot of an instance that is launched for them: fleeting and taskscaler in your own
// program.
import { type PluginContext, silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'
import { pQueueDemand, Taskscaler } from '@runner-core/taskscaler'
import PQueue from 'p-queue'

const context: PluginContext = {
  fleet: 'embedded',
  connector: {},
  logger: silentLogger,
  clock: systemClock,
  random: Math.random,
}
const queue = new PQueue({ concurrency: 6 })

await using scaler = await Taskscaler.start({
  provisioner: { group: createInstanceGroup({}, context), connector: createSshConnector(context), maxInstances: 3 },
  capacityPerInstance: 2,
  demand: [pQueueDemand(queue)],
  onDispose: 'remove-instances',
})

const tasks = Array.from({ length: 12 }, (_, number) => async () => {
  return await scaler.run(async (slot) => {
    const { code, stdout } = await slot.exec(`sleep 0.2; echo task ${number} in $PWD`)
    return `${slot.instanceId} slot ${slot.slot}: exit code ${code}, ${stdout.trim()}`
  })
})
for (const line of await queue.addAll(tasks)) console.log(line)
