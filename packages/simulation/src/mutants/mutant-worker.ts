// Plays runs with one mistake in the production code, in a thread of its own: nothing of that code is loaded here
// before the mistake is made.
import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { type Mutant, mutatedSource, urlOf } from './mutant.ts'

/** What a thread is to do. */
export interface HuntOrder {
  readonly mutant: Mutant
  readonly seed: number
  /** How many of the mutant's runs came before. */
  readonly skip: number
  readonly runs: number
  /** The code is left as it is: for comparison. */
  readonly isControl: boolean
}

/** What it says: once everything is loaded, after each run, and at its end. */
export type HuntNews =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'run'; readonly runs: number }
  | { readonly kind: 'noticed'; readonly runs: number; readonly seed: number; readonly how: string }
  | { readonly kind: 'missed'; readonly runs: number }

const { mutant, seed: first, skip, runs: most, isControl } = workerData as HuntOrder
const tell = (news: HuntNews): void => parentPort!.postMessage(news)
let isMade = false
const url = urlOf(mutant)

registerHooks({
  load(loaded, context, nextLoad) {
    if (loaded !== url || isControl) return nextLoad(loaded, context)
    isMade = true
    return { format: 'module-typescript', source: mutatedSource(mutant), shortCircuit: true }
  },
})

const [{ play }, { scenarioOf }, { brokenText }] = await Promise.all([
  import('../play.ts'),
  import('../scenario.ts'),
  import('../story.ts'),
])
if (!isMade && !isControl) throw new Error(`mutant "${mutant.name}": ${mutant.file} is not part of the world`)
tell({ kind: 'loaded' })
await hunt()

async function hunt(): Promise<void> {
  for (let runs = skip + 1; runs <= skip + most; runs += 1) {
    const seed = first + runs - 1
    const { violation } = await play(scenarioOf(seed, runs % 2 === 0 ? [] : mutant.focus))
    if (violation !== undefined) {
      tell({ kind: 'noticed', runs, seed, how: `${brokenText(violation.promise)}: ${violation.what}` })
      return
    }
    tell({ kind: 'run', runs })
  }
  tell({ kind: 'missed', runs: skip + most })
}
