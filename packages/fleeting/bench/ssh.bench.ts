/**
 * What the SSH connector makes of one OpenSSH server on this machine: commands per second, their latency, throughput in
 * both directions, and memory.
 *
 * `node --expose-gc --conditions=@runner-core/source packages/fleeting/bench/ssh.bench.ts`
 */

import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import type { Connection } from '../src/index.ts'
import { ConnectionKeeper } from '../src/provisioner/connections/connection-keeper.ts'
import { createSshConnector } from '../src/ssh/index.ts'

const missing = sshdMissing()
if (missing !== undefined) {
  console.log(`SKIPPED: ${missing}`)
  process.exit(0)
}

const connectionCount = 10
const commandCount = 2000
const streamedBytes = 500_000_000
const never = new AbortController().signal

const sshd = await startSshd(process.getuid?.() === 0 ? { user: `sshbench${process.pid}` } : {})
const connector = createSshConnector({ connector: {} })
const dial = (instanceId: string, signal: AbortSignal): Promise<Connection> =>
  connector.connect(
    {
      instanceId,
      protocol: 'ssh',
      internalAddress: '127.0.0.1',
      port: sshd.port,
      username: sshd.username,
      privateKey: sshd.privateKey,
      hostKeys: [sshd.hostKey],
    },
    signal,
  )
const keeper = new ConnectionKeeper({ dial })
const slots = Array.from({ length: connectionCount }, (_, slot) => slot)

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}
const run = async (slot: number, command: string): Promise<void> => {
  const connection = await keeper.get('bench', slot, never)
  await (await connection.exec(command)).closed
}

const connectMs = await timed(() => Promise.all(slots.map((slot) => keeper.get('bench', slot, never))))
// Compiled by now, and warm on the other side.
await Promise.all(slots.map((slot) => run(slot, 'true')))

const cpu = process.cpuUsage()
let started = 0
const commandsMs = await timed(() =>
  Promise.all(
    slots.map(async (slot) => {
      while (started++ < commandCount) await run(slot, 'true')
    }),
  ),
)
const { user, system } = process.cpuUsage(cpu)

const oneAtATime: number[] = []
for (let time = 0; time < 200; time += 1) oneAtATime.push(await timed(() => run(0, 'true')))
oneAtATime.sort((one, other) => one - other)

const keptMicros =
  (await timed(async () => {
    for (let time = 0; time < 100_000; time += 1) await keeper.get('bench', 0, never)
  })) / 100

const connection = await keeper.get('bench', 0, never)
globalThis.gc?.()
const rssBefore = process.memoryUsage.rss()
let received = 0
let chunks = 0
let rssPeak = rssBefore
const outMs = await timed(async () => {
  const execution = await connection.exec(`head -c ${streamedBytes} /dev/zero`, {
    stdout: (chunk) => {
      received += chunk.length
      if (chunks++ % 64 === 0) rssPeak = Math.max(rssPeak, process.memoryUsage.rss())
    },
  })
  await execution.closed
})
const chunk = Buffer.alloc(1_000_000)
async function* source(): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < streamedBytes; sent += chunk.length) yield chunk
}
const inMs = await timed(async () => (await connection.exec('cat >/dev/null', { stdin: source() })).closed)

await keeper.close()
await sshd.stop()

const result = {
  connectMs: Math.round(connectMs),
  commandsPerSecond: Math.round((commandCount / commandsMs) * 1000),
  cpuMicrosPerCommand: Math.round((user + system) / commandCount),
  oneAtATimeMs: { p50: round(oneAtATime[100]!), p99: round(oneAtATime[198]!) },
  keptConnectionMicros: round(keptMicros),
  outMbPerSecond: Math.round(received / outMs / 1000),
  inMbPerSecond: Math.round(streamedBytes / inMs / 1000),
  extraRssMb: Math.round((rssPeak - rssBefore) / 1e6),
}
console.table(result)
console.log(`BENCH ${JSON.stringify(result)}`)

function round(value: number): number {
  return Math.round(value * 100) / 100
}
