// `npm run prove -- --mutants [NAME...]`: see `prove.ts`. What each mutant came to is kept, so that `--resume` goes on
// where a run before ended, as long as the code is the same.
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Hunted, huntAll, type Mutant, mutants } from '@runner-core/simulation/mutants'

const root = join(import.meta.dirname, '..')
const kept = join(root, 'node_modules/.cache/mutants.jsonl')

interface KeptMutant {
  readonly name: string
  readonly code: string
  readonly state: Hunted['state']
  readonly runs: number
}

export interface ProveMutantsOptions {
  /** Parts of names; none: all. */
  readonly names: readonly string[]
  readonly seed: number
  readonly runs: number
  readonly atOnce: number
  readonly resume: boolean
  /** As many as fit, beginning with another one each hour; default: all. */
  readonly seconds?: number | undefined
}

/** Answers the exit code. */
export async function proveMutants({
  names,
  seed,
  runs,
  atOnce,
  resume,
  seconds,
}: ProveMutantsOptions): Promise<number> {
  const code = fingerprint()
  const before = resume ? noticedBefore(code) : new Set<string>()
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
  const equivalent = chosen.filter((mutant) => mutant.equivalent !== undefined)
  const tried = chosen.filter((mutant) => !equivalent.includes(mutant) && !before.has(mutant.name))
  if (chosen.length === 0) {
    console.error(`no mutant's name has ${names.join(', or ')} in it`)
    return 2
  }
  const signal = seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1000)
  const startedAt = performance.now()
  const hunted = await huntAll({
    mutants: seconds === undefined ? tried : rotated(tried),
    seed,
    runs,
    atOnce,
    signal,
    onHunted(found) {
      console.log(lineOf(found))
      const { mutant, state } = found
      if (state === 'cut') return
      mkdirSync(dirname(kept), { recursive: true })
      appendFileSync(kept, `${JSON.stringify({ name: mutant.name, code, state, runs: found.runs })}\n`)
    },
  })
  for (const { name, equivalent: why } of equivalent) console.log(`equivalent  ${name}: ${why}`)
  const count = (state: Hunted['state']): number => hunted.filter((found) => found.state === state).length
  const noticed = count('noticed') + before.size
  const failed = count('missed') + count('broken')
  const score = noticed + failed === 0 ? 100 : Math.floor((noticed / (noticed + failed)) * 1000) / 10
  const result = {
    list: chosen.length,
    noticed,
    missed: count('missed'),
    broken: count('broken'),
    equivalent: equivalent.length,
    cut: tried.length - hunted.length + count('cut'),
    maxRuns: Math.max(0, ...hunted.filter(({ state }) => state === 'noticed').map((found) => found.runs)),
    score,
    seconds: Math.round((performance.now() - startedAt) / 1000),
  }
  console.log(`MUTANTS ${JSON.stringify(result)}`)
  return failed === 0 ? 0 : 1
}

function lineOf({ mutant, state, runs, seed, how, seconds }: Hunted): string {
  const where = seed === undefined ? '' : `, seed ${seed}`
  const head = `${state.padEnd(10)}  ${String(runs).padStart(4)} runs, ${String(seconds).padStart(5)} s${where}: [${mutant.breaks}] ${mutant.name}`
  return how === undefined ? head : `${head}\n            ${how.split('\n')[0]!.slice(0, 200)}`
}

/** So that in the course of days each comes to its turn. */
function rotated(list: readonly Mutant[]): readonly Mutant[] {
  const first = Math.floor(Date.now() / 3_600_000) * 7
  return list.map((_, index) => list[(first + index) % list.length]!)
}

function noticedBefore(code: string): Set<string> {
  if (!existsSync(kept)) return new Set()
  const lines = readFileSync(kept, 'utf8').split('\n').filter(Boolean)
  const all = lines.map((line) => JSON.parse(line) as KeptMutant)
  return new Set(all.filter((one) => one.code === code && one.state === 'noticed').map(({ name }) => name))
}

/** Of all code that takes part, the world's too. */
function fingerprint(): string {
  const hash = createHash('sha256')
  for (const file of globSync('packages/*/src/**/*.ts', { cwd: root }).toSorted())
    if (!file.endsWith('.test.ts')) hash.update(file).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}
