import { machineMutants, runnerMutants } from './job-mutants.ts'
import type { Mutant } from './mutant.ts'
import { journalMutants, provisionerMutants } from './provisioner-mutants.ts'
import { taskscalerMutants } from './taskscaler-mutants.ts'

/** Every guard of a promise, taken away. */
export const mutants: readonly Mutant[] = [
  ...provisionerMutants,
  ...journalMutants,
  ...taskscalerMutants,
  ...runnerMutants,
  ...machineMutants,
]
