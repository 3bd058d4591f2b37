import { readFileSync } from 'node:fs'
import type { StepName } from '../steps.ts'
import type { PromiseNumber } from '../witness.ts'

/**
 * What a mistake breaks: a promise of the design; or what the checker of histories knows of jobs, their traces, why
 * they wait, and secrets.
 */
type Guarded = PromiseNumber | 'jobs' | 'traces' | 'reasons' | 'secrets'

/** A mistake in the production code, made in its text: one guard of a promise is taken away. */
export interface Mutant {
  /** Says what the code does then. */
  readonly name: string
  readonly breaks: Guarded
  /** From the root of the repository. */
  readonly file: string
  /** Must be there exactly once. */
  readonly find: string
  readonly replace: string
  /** What must happen for it to matter: every other run is mostly made of these. */
  readonly focus?: readonly StepName[]
  /** Why nothing outside can tell it from the code as it is. It is not tried then. */
  readonly equivalent?: string
}

const root = new URL('../../../../', import.meta.url)

/** Where the mutant's code is. */
export function urlOf({ file }: Pick<Mutant, 'file'>): string {
  return new URL(file, root).href
}

/** The file with the mistake in it. Thrown: an error when the place is not there, or there more than once. */
export function mutatedSource({ name, file, find, replace }: Mutant): string {
  const source = readFileSync(new URL(file, root), 'utf8')
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`mutant "${name}": its text is in ${file} ${parts.length - 1} times`)
  return parts.join(replace)
}
