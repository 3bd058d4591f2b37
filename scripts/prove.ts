// `npm run prove -- --runs N --seed S [--bugs]`: tries to break the seven promises in N runs of the world for proofs, on every core. Tells each failure as a story,
// with the seed that plays it again, and ends with one line `BENCH {json}`. With `--bugs` it shows for each deliberate bug that it is noticed.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { brokenText, bugs, findBug, type Proof, prove } from '../packages/simulation/src/index.ts'

interface Share {
  readonly first: number
  readonly count: number
}

if (isMainThread) process.exitCode = await main()
else parentPort!.postMessage(await prove(seedsOf(workerData as Share)))

function* seedsOf({ first, count }: Share): Generator<number> {
  for (let seed = first; seed < first + count; seed += 1) yield seed
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { runs: { type: 'string', default: '1000' }, seed: { type: 'string' }, bugs: { type: 'boolean', default: false } },
  })
  const runs = Number(values.runs)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(seed)) {
    console.error('usage: npm run prove -- [--runs N] [--seed S] [--bugs]')
    return 2
  }
  return values.bugs ? await proveBugs({ first: seed, count: runs }) : await provePromises({ first: seed, count: runs })
}

async function provePromises({ first, count }: Share): Promise<number> {
  console.log(`seeds ${first} to ${first + count - 1}`)
  const startedAt = performance.now()
  const proofs = await Promise.all(shares({ first, count }).map(proveElsewhere))
  const seconds = (performance.now() - startedAt) / 1000
  const violations = proofs.flatMap((proof) => proof.violations)
  for (const { seed, promise, story } of violations)
    console.log(`\n${story || `${brokenText(promise)}.`}\nagain: npm run prove -- --runs 1 --seed ${seed}`)
  const sum = (of: (proof: Proof) => number): number => proofs.reduce((total, proof) => total + of(proof), 0)
  const result = {
    runs: sum((proof) => proof.runs),
    steps: sum((proof) => proof.steps),
    crashPoints: sum((proof) => proof.crashPoints),
    violations: violations.length,
    seconds: Math.round(seconds * 10) / 10,
  }
  console.log(`BENCH ${JSON.stringify(result)}`)
  return violations.length === 0 ? 0 : 1
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

function shares({ first, count }: Share): Share[] {
  const workers = Math.min(availableParallelism(), count)
  return Array.from({ length: workers }, (_, index) => {
    const [begin, end] = [Math.floor((count * index) / workers), Math.floor((count * (index + 1)) / workers)]
    return { first: first + begin, count: end - begin }
  })
}

function proveElsewhere(share: Share): Promise<Proof> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
