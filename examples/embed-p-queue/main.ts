// Twelve tasks of a queue, each on a slot of a machine that is made for them: fleeting and taskscaler in a program of one's own.
import { createSshConnector, type PluginContext, silentLogger, systemClock } from '@runner-core/fleeting'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'
import { pQueueDemand, Taskscaler } from '@runner-core/taskscaler'
import PQueue from 'p-queue'

const context: PluginContext = { fleet: 'embedded', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
const queue = new PQueue({ concurrency: 6 })

await using scaler = await Taskscaler.start({
  provisioner: { group: createInstanceGroup({}, context), connector: createSshConnector(context), maxInstances: 3 },
  capacityPerInstance: 2,
  policies: [{ periods: ['* * * * *'], idleCount: 0, idleTimeMs: 1_000, scaleFactor: 0, scaleFactorLimit: 0 }],
  demand: [pQueueDemand(queue)],
})

async function onSomeMachine(command: string): Promise<string> {
  using reservation = scaler.reserve()
  await using acquisition = await scaler.acquire(reservation)
  const connection = await acquisition.connect()
  const output: Buffer[] = []
  const execution = await connection.exec(command, { stdout: (chunk) => void output.push(chunk), signal: acquisition.signal })
  const status = await execution.closed
  return `${acquisition.instanceId} slot ${acquisition.slot}: ${JSON.stringify(status)} ${Buffer.concat(output).toString().trim()}`
}

const tasks = Array.from({ length: 12 }, (_, number) => () => onSomeMachine(`sleep 0.2; echo task ${number} in $PWD`))
for (const line of await queue.addAll(tasks)) console.log(line)
await scaler.shutdown({ removeInstances: true })
