// `npm run prove -- --mutants [NAME...]`: see `prove.ts`. The seed that noticed a mutant is kept in the repository and
// played first, so that the whole list takes minutes and not hours.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Hunted, huntAll, type Mutant, mutants } from '@runner-core/simulation/mutants'

const seedsFile = join(import.meta.dirname, '../packages/simulation/data/noticing-seeds.json')

export interface ProveMutantsOptions {
  /** Parts of names; none: all. */
  readonly names: readonly string[]
  readonly seed: number
  readonly runs: number
  readonly atOnce: number
  /** Keep the seeds by which mutants are noticed. */
  readonly record: boolean
  /** As many as fit; default: all. Of those without a kept seed, it begins with another one each hour. */
  readonly seconds?: number | undefined
}

/** Answers the exit code. */
export async function proveMutants({
  names,
  seed,
  runs,
  atOnce,
  record,
  seconds,
}: ProveMutantsOptions): Promise<number> {
  const noticingSeeds = JSON.parse(readFileSync(seedsFile, 'utf8')) as Record<string, number>
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
  const equivalent = chosen.filter((mutant) => mutant.equivalent !== undefined)
  const tried = chosen.filter((mutant) => mutant.equivalent === undefined)
  if (chosen.length === 0) {
    console.error(`no mutant's name has ${names.join(', or ')} in it`)
    return 2
  }
  const signal = seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1000)
  const startedAt = performance.now()
  const isQuick = ({ name }: Mutant): boolean => noticingSeeds[name] !== undefined
  const others = tried.filter((mutant) => !isQuick(mutant))
  const hunted = await huntAll({
    mutants: [...tried.filter(isQuick), ...(seconds === undefined ? others : rotated(others))],
    seed,
    runs,
    noticingSeeds,
    atOnce,
    signal,
    onHunted(found) {
      console.log(lineOf(found))
      if (!record || found.state !== 'noticed') return
      noticingSeeds[found.mutant.name] = found.seed!
      writeFileSync(seedsFile, textOf(noticingSeeds))
    },
  })
  for (const { name, equivalent: why } of equivalent) console.log(`equivalent  ${name}: ${why}`)
  const count = (state: Hunted['state']): number => hunted.filter((found) => found.state === state).length
  const noticed = count('noticed')
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

/** In the order of the list, without those that it no longer has. */
function textOf(noticingSeeds: Readonly<Record<string, number>>): string {
  const known = mutants.flatMap(({ name }) => (noticingSeeds[name] === undefined ? [] : [[name, noticingSeeds[name]]]))
  return `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`
}
