/**
 * How fast real log text goes through the whole chain of a job's trace: UTF-8 repair, masking, limit, checksum and
 * spool. Prints a table and, as the last line, `BENCH {"mbPerSecond":{"0":…,"10":…,"100":…}}` (1 MB is 10^6 bytes).
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { Trace } from '../src/trace/trace.ts'

const totalBytes = 150_000_000
const rounds = 5
/** As a deterministic source of sizes and secrets: the same run each time. */
let seed = 20_250_101
const random = (): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

const log = readFileSync(new URL('./fixtures/ci-log.txt', import.meta.url))

function makeSecrets(count: number): string[] {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_.~@:'
  return Array.from({ length: count }, () =>
    Array.from({ length: 20 + Math.floor(random() * 45) }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
      '',
    ),
  )
}

/** Chunks as an SSH channel gives them: mostly full packets of 32 KiB, some short ones. */
function chunksOf(text: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < text.length; ) {
    const size = random() < 0.7 ? 32 * 1024 : 1 + Math.floor(random() * 32 * 1024)
    chunks.push(text.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** The log with a line now and then that shows a secret, a token and a signed URL. */
function realText(secrets: readonly string[]): Buffer {
  const lines = log.toString().split('\n')
  const shown = lines.flatMap((line, index) =>
    index % 500 === 499
      ? [
          line,
          `$ login --password ${secrets[index % secrets.length] ?? 'x'} --token glpat-${'a1B2'.repeat(5)}`,
          'GET https://example.com/?private_token=abc&x=1',
        ]
      : [line],
  )
  return Buffer.from(shown.join('\n'))
}

/** Text in which every few bytes look like the beginning of a secret. */
const adversarialSecrets = Array.from({ length: 10 }, (_, index) => `${'ab'.repeat(12 + index)}${index}`)
const adversarialText = Buffer.from(`${'ab'.repeat(11)}a ${'ab'.repeat(25)}c\n`.repeat(1500))

async function megabytesPerSecond(text: Buffer, secrets: readonly string[]): Promise<number> {
  const chunks = chunksOf(text)
  const trace = new Trace({ secrets, limitBytes: Number.MAX_SAFE_INTEGER })
  const startedAt = performance.now()
  let bytes = 0
  for (let index = 0; bytes < totalBytes; index = (index + 1) % chunks.length) {
    await trace.write(chunks[index]!)
    bytes += chunks[index]!.length
  }
  trace.end()
  const seconds = (performance.now() - startedAt) / 1000
  await trace.close()
  return bytes / 1e6 / seconds
}

async function median(text: Buffer, secrets: readonly string[]): Promise<number> {
  const results: number[] = []
  for (let round = 0; round < rounds; round++) results.push(await megabytesPerSecond(text, secrets))
  return Math.round(results.sort((a, b) => a - b)[Math.floor(rounds / 2)]!)
}

const mbPerSecond: Record<string, number> = {}
console.log('text                 secrets     MB/s')
const report = (name: string, count: number, result: number): void =>
  console.log(`${name.padEnd(20)} ${String(count).padStart(7)} ${String(result).padStart(8)}`)
for (const count of [0, 10, 100]) {
  const secrets = makeSecrets(count)
  mbPerSecond[count] = await median(realText(secrets), secrets)
  report('CI log', count, mbPerSecond[count])
}
report('repeated prefixes', adversarialSecrets.length, await median(adversarialText, adversarialSecrets))
console.log(`BENCH ${JSON.stringify({ mbPerSecond })}`)
