import { Worker } from 'node:worker_threads'
import type { Mutant } from './mutant.ts'
import type { HuntNews, HuntOrder } from './mutant-worker.ts'

/**
 * `noticed` after so many runs · `missed` by all of them · `broken` it does not load, so nothing was shown · `cut` the
 * time was up before.
 */
export interface Hunted {
  readonly mutant: Mutant
  readonly state: 'noticed' | 'missed' | 'broken' | 'cut'
  readonly runs: number
  readonly seed?: number
  /** By what it was noticed, or why it does not load. */
  readonly how?: string
  readonly seconds: number
}

/** Time for one run, and for loading. Who takes longer does not come to an end, milliseconds. */
const stuckMs = 120_000
/** Megabytes: who needs more grows without end. */
const maxMemory = 1024
/** One thread plays so many runs: what it keeps of each goes with it, and is not taken for growth. */
const maxRunsPerThread = 200

interface Quarry {
  readonly mutant: Mutant
  /** The runs play the seeds from here on. */
  readonly seed: number
  readonly runs: number
  /** A seed that noticed it before. It is played first if it is among the runs. */
  readonly noticingSeed?: number | undefined
}

/**
 * Plays runs with the mutant until one breaks something that the code as it is does not break in the same run, in
 * threads of their own. A thread that fails, hangs or grows without end has shown it as well. `signal`: no longer.
 */
async function hunt({ mutant, seed, runs, noticingSeed }: Quarry, signal?: AbortSignal): Promise<Hunted> {
  const startedAt = performance.now()
  const ended = (found: Found): Hunted => ({
    mutant,
    ...found,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  })
  const spans = [{ first: 0, end: runs }]
  if (noticingSeed !== undefined && noticingSeed >= seed && noticingSeed < seed + runs)
    spans.unshift({ first: noticingSeed - seed, end: noticingSeed - seed + 1 })
  for (const { first, end } of spans)
    for (let skip = first; skip < end; ) {
      const count = Math.min(end - skip, maxRunsPerThread)
      const found = await play({ mutant, seed, skip, runs: count, isControl: false }, signal)
      if (found.state === 'broken' || found.state === 'cut') return ended(found)
      if (found.state === 'missed') {
        skip += count
        continue
      }
      const control = await play({ mutant, seed, skip: found.runs - 1, runs: 1, isControl: true }, signal)
      if (control.state !== 'noticed') return ended(control.state === 'cut' ? control : found)
      skip = found.runs
    }
  return ended({ state: 'missed', runs })
}

type Found = Omit<Hunted, 'mutant' | 'seconds'>

function play(order: HuntOrder, signal: AbortSignal | undefined): Promise<Found> {
  const { seed, skip } = order
  return new Promise((resolve) => {
    const worker = new Worker(new URL('./mutant-worker.ts', import.meta.url), {
      workerData: order,
      resourceLimits: { maxOldGenerationSizeMb: maxMemory },
    })
    let runs = skip
    let isLoaded = false
    const end = (state: Hunted['state'], found: Partial<Found> = {}): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cut)
      void worker.terminate()
      resolve({ state, runs, ...found })
    }
    const cut = (): void => end('cut')
    const failed = (how: string): void =>
      isLoaded ? end('noticed', { runs: runs + 1, seed: seed + runs, how }) : end('broken', { how })
    const timer = setTimeout(() => failed('a run does not come to an end'), stuckMs)
    signal?.addEventListener('abort', cut, { once: true })
    if (signal?.aborted) return cut()
    worker.on('error', (error) => failed(`the program failed: ${String(error)}`))
    worker.on('message', (news: HuntNews) => {
      timer.refresh()
      if (news.kind === 'loaded') isLoaded = true
      if (news.kind === 'run') runs = news.runs
      if (news.kind === 'noticed') end('noticed', { runs: news.runs, seed: news.seed, how: news.how })
      if (news.kind === 'missed') end('missed', { runs: news.runs })
    })
  })
}

export interface HuntAllOptions {
  readonly mutants: readonly Mutant[]
  readonly seed: number
  /** For each. */
  readonly runs: number
  /** By a mutant's name, a seed that noticed it before. */
  readonly noticingSeeds?: Readonly<Record<string, number>>
  /** Threads. */
  readonly atOnce: number
  readonly onHunted: (hunted: Hunted) => void
  readonly signal?: AbortSignal | undefined
}

/** Hunts mutants, several at once, in their order. */
export async function huntAll({
  mutants,
  seed,
  runs,
  noticingSeeds = {},
  atOnce,
  onHunted,
  signal,
}: HuntAllOptions): Promise<readonly Hunted[]> {
  const left = [...mutants]
  const all: Hunted[] = []
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined && !signal?.aborted; mutant = left.shift()) {
      const hunted = await hunt({ mutant, seed, runs, noticingSeed: noticingSeeds[mutant.name] }, signal)
      all.push(hunted)
      onHunted(hunted)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return all
}
