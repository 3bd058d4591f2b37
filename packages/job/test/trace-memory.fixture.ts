/** Prints 100 MB through a trace while somebody uploads it, and says what that cost: one line of JSON. */
import { Trace } from '@runner-core/job'

const chunk = Buffer.alloc(32 * 1024, 'some output of a job\n')
const totalBytes = 100_000_000

async function print(bytes: number): Promise<void> {
  const trace = new Trace({ secrets: ['a secret of the job'], limitBytes: Number.MAX_SAFE_INTEGER })
  let uploaded = 0
  for (let written = 0; written < bytes; written += chunk.length) {
    await trace.write(chunk)
    if (trace.size - uploaded > 1024 * 1024) uploaded += (await trace.read(uploaded, 1024 * 1024)).length
  }
  trace.end()
  while (uploaded < trace.size) uploaded += (await trace.read(uploaded, 1024 * 1024)).length
  await trace.close()
}

await print(1_000_000)
const before = process.memoryUsage().rss
await print(totalBytes)
console.log(JSON.stringify({ extraMb: (process.resourceUsage().maxRSS * 1024 - before) / 1e6 }))
