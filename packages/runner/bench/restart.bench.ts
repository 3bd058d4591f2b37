// A manager with 1,000 instances and 1,000 running jobs is killed, and another one starts on its state. Times are from
// the start of that process to its first decision, and until every job has its slot and a connection again. The cloud
// is a group in memory whose list takes as long as a real one's two calls; state, encryption and processes are real.
// Then a real manager is killed under ten jobs that print, on a real machine of plugin `local`: when their logs go on
// at the coordinator, from the moment when the next manager says that its fleet is there (`resumedMs`), which is so
// long after the start of its process (`backMs`).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { median } from './measure.ts'
import { measureResumedStreams, type ResumedStreams } from './resumed-streams.ts'

const script = fileURLToPath(new URL('./restart-manager.ts', import.meta.url))
const count = 1_000
const rounds = 3
const streams = 10
const streamRounds = 5

interface Times {
  readonly firstDecisionMs: number
  readonly allAdoptedMs: number
  readonly adopted: number
  readonly removed: number
}

/** Starts a manager, answers its first line, and kills it. */
async function runManager(directory: string, phase: 'fill' | 'restart'): Promise<string> {
  const child = spawn(process.execPath, ['--conditions=@runner-core/source', script, directory, phase, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  child.kill('SIGKILL')
  await ended
  return line
}

const results: Times[] = []
for (let round = 0; round < rounds; round++) {
  const directory = mkdtempSync(join(tmpdir(), 'runner-core-restart-'))
  try {
    await runManager(directory, 'fill')
    results.push(JSON.parse(await runManager(directory, 'restart')) as Times)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
console.table(results)
const worst = (key: keyof Times): number => Math.max(...results.map((times) => times[key]))

const resumed: ResumedStreams[] = []
for (let round = 0; round < streamRounds; round++) resumed.push(await measureResumedStreams(streams))
console.table(
  resumed.map(({ backMs, resumedMs }) => ({ backMs, firstResumedMs: resumedMs[0], lastResumedMs: resumedMs.at(-1) })),
)
const resumedMs = resumed.flatMap((round) => round.resumedMs)
console.log(
  `BENCH ${JSON.stringify({
    instances: count,
    jobs: count,
    firstDecisionMs: worst('firstDecisionMs'),
    allAdoptedMs: worst('allAdoptedMs'),
    adopted: Math.min(...results.map(({ adopted }) => adopted)),
    removed: worst('removed'),
    streams,
    backMs: Math.max(...resumed.map(({ backMs }) => backMs)),
    resumedMs: { p50: median(resumedMs), worst: Math.max(...resumedMs) },
  })}`,
)
