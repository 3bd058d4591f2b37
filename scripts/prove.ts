// `npm run prove -- --runs N --seed S [--seconds T] [--bugs]`: tries to break the promises in N runs of the world for
// proofs, or in as many as T seconds give, on every core. Tells each failure as a story, with the seed that plays it
// again, and ends with one line `BENCH {json}`. With `--bugs` it shows for each deliberate bug that it is noticed.
// `npm run prove -- --mutants [NAME...] [--runs N] [--seed S] [--seconds T] [--record]`: takes the guards of the
// promises away from the code, one after the other, and shows for each that it is noticed, within N runs, 2,000 by
// default; ends with one line `MUTANTS {json}`. `--record` keeps the seeds that noticed them, which are played first.
// `--history FILE...`: judges a history that was written to files.
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { brokenText, bugs, findBug, type Proof, prove } from '@runner-core/simulation'
import { checkHistory, readHistory } from '@runner-core/simulation/checker'
import { proveMutants } from './prove-mutants.ts'

interface Share {
  readonly first: number
  readonly count: number
  /** No run begins later: milliseconds since 1970. Default: all begin. */
  readonly until?: number
}

/** Set in the environment of a process that plays a share of the runs. */
const shareMark = 'RUNNER_CORE_PROVE_SHARE'
/** Runs that one process plays: what it keeps of them goes with it. */
const runsPerProcess = 500

// Errors are the daily bread of these runs, and nobody reads where they came from.
Error.stackTraceLimit = 0
if (process.env[shareMark] === undefined) process.exitCode = await main()
else {
  // Nobody waits for it any more.
  process.once('disconnect', () => process.exit())
  process.send!(await prove(seedsOf(JSON.parse(process.argv[2]!) as Share)))
}

function* seedsOf({ first, count, until = Number.POSITIVE_INFINITY }: Share): Generator<number> {
  for (let seed = first; seed < first + count && Date.now() < until; seed += 1) yield seed
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
      bugs: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      history: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  })
  if (values.history) return judgeHistory(positionals)
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
  const runs = Number(values.runs ?? (values.mutants ? 2000 : seconds === undefined ? 1000 : 1e6))
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  if (
    !Number.isSafeInteger(runs) ||
    runs < 1 ||
    !Number.isSafeInteger(seed) ||
    (seconds !== undefined && !(seconds > 0))
  ) {
    console.error(
      'usage: npm run prove -- [--runs N] [--seed S] [--seconds T] [--bugs | --mutants [NAME...] [--record] | --history FILE...]',
    )
    return 2
  }
  const atOnce = availableParallelism()
  if (values.mutants)
    return await proveMutants({ names: positionals, seed, runs, atOnce, record: values.record, seconds })
  const until = seconds === undefined ? {} : { until: Date.now() + seconds * 1000 }
  return values.bugs
    ? await proveBugs({ first: seed, count: runs })
    : await provePromises({ first: seed, count: runs, ...until })
}

function judgeHistory(files: readonly string[]): number {
  const findings = checkHistory(readHistory(...files))
  for (const { breach, at, what } of findings) console.log(`${at}: ${breach}: ${what}`)
  console.log(`HISTORY ${JSON.stringify({ findings: findings.length })}`)
  return findings.length === 0 ? 0 : 1
}

async function provePromises(all: Share): Promise<number> {
  const { first, count, until } = all
  console.log(until === undefined ? `seeds ${first} to ${first + count - 1}` : `seeds from ${first} on`)
  const startedAt = performance.now()
  const proofs = await playAll(all)
  const seconds = (performance.now() - startedAt) / 1000
  const violations = proofs.flatMap((proof) => proof.violations)
  const sum = (of: (proof: Proof) => number): number => proofs.reduce((total, proof) => total + of(proof), 0)
  const result = {
    runs: sum((proof) => proof.runs),
    steps: sum((proof) => proof.steps),
    crashPoints: sum((proof) => proof.crashPoints),
    violations: violations.length,
    seconds: Math.round(seconds * 10) / 10,
  }
  console.log(`BENCH ${JSON.stringify(result)}`)
  const wereAllPlayed = until !== undefined || result.runs === count
  return violations.length === 0 && wereAllPlayed ? 0 : 1
}

async function proveBugs(share: Share): Promise<number> {
  let missed = 0
  for (const bug of bugs) {
    const found = await findBug(bug, seedsOf(share))
    if (found === undefined) missed += 1
    console.log(
      `promise ${bug.breaks}: ${bug.name}: ${found === undefined ? 'NOT NOTICED' : `noticed after ${found.runs} runs, by seed ${found.seed}`}`,
    )
  }
  console.log(`${bugs.length - missed} of ${bugs.length} noticed`)
  return missed === 0 ? 0 : 1
}

function* chunksOf({ first, count, until = Number.POSITIVE_INFINITY }: Share): Generator<Share> {
  const size = Math.min(runsPerProcess, Math.ceil(count / availableParallelism()))
  for (let begin = 0; begin < count && Date.now() < until; begin += size) {
    const share = { first: first + begin, count: Math.min(size, count - begin) }
    yield until === Number.POSITIVE_INFINITY ? share : { ...share, until }
  }
}

/** On every core, one chunk after the other; what breaks a promise is told as soon as it is known. */
async function playAll(all: Share): Promise<readonly Proof[]> {
  const chunks = chunksOf(all)
  const proofs: Proof[] = []
  let played = 0
  const playChunks = async (): Promise<void> => {
    for (const chunk of chunks) {
      const proof = await proveElsewhere(chunk)
      proofs.push(proof)
      played += proof.runs
      for (const { seed, promise, story } of proof.violations)
        console.log(`\n${story || `${brokenText(promise)}.`}\nagain: npm run prove -- --runs 1 --seed ${seed}`)
      if (all.count > 2 * runsPerProcess) console.error(`${played} runs played`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, playChunks))
  return proofs
}

/** In a process of its own: a thread that has ended leaves the memory of its worlds to the process. */
function proveElsewhere(share: Share): Promise<Proof> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [JSON.stringify(share)], { env: { ...process.env, [shareMark]: 'yes' } })
    // What a run has left behind, as a timer, would keep the process.
    child.once('message', (proof: Proof) => {
      child.kill('SIGKILL')
      resolve(proof)
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a process that plays runs ended with ${code}`)))
  })
}
