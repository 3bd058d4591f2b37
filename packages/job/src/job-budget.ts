import { JobError } from './job-error.ts'

/**
 * What may be made of the foreign input of one job in this process, which runs other jobs too. A resource is drawn
 * from, never given back.
 *
 * `steps` are comparisons of a pattern with a path (some 20 ns each). `records` and `bytes` are names of files that are
 * kept. `characters` are those of patterns and of what variables make of texts.
 */
export const jobBounds: Readonly<Record<BudgetResource, number>> = {
  steps: 200_000_000,
  records: 1_000_000,
  bytes: 134_217_728,
  characters: 1_048_576,
}

export type BudgetResource = 'steps' | 'records' | 'bytes' | 'characters'

/**
 * Steps that may be done before the event loop runs again: more than one call can need of them unless it was made to.
 */
const maxStepsAtOnce = 4_000_000
/** Steps after which {@link JobBudget.rest} lets the event loop run. */
const stepsBetweenRests = 500_000

/** The error that a job fails with when `field` is beyond `bound`, such as "16 steps". */
export function limitExceeded(field: string, bound: string): JobError {
  return new JobError('limit_exceeded', 'runner_configuration_error', `${field}: more than ${bound}`)
}

/** What is left to one job. Every parser of foreign input whose work is not bounded by its own input draws from it. */
export class JobBudget {
  readonly #bounds: Readonly<Record<BudgetResource, number>>
  readonly #drawn: Record<BudgetResource, number> = { steps: 0, records: 0, bytes: 0, characters: 0 }
  #stepsSinceRest = 0

  constructor(bounds: Partial<Record<BudgetResource, number>> = {}) {
    this.#bounds = { ...jobBounds, ...bounds }
  }

  /** Thrown: {@link JobError} `limit_exceeded`, which names `field`. */
  draw(resource: BudgetResource, amount: number, field: string): void {
    this.#drawn[resource] += amount
    if (this.#drawn[resource] > this.#bounds[resource])
      throw limitExceeded(field, `${this.#bounds[resource]} ${resource} in one job`)
    if (resource !== 'steps') return
    this.#stepsSinceRest += amount
    if (this.#stepsSinceRest > maxStepsAtOnce) throw limitExceeded(field, `${maxStepsAtOnce} steps for one name`)
  }

  /** Undefined, or a promise to be awaited where much was done since the event loop ran last. */
  rest(): Promise<void> | undefined {
    if (this.#stepsSinceRest < stepsBetweenRests) return undefined
    this.#stepsSinceRest = 0
    return new Promise((resolve) => setImmediate(resolve))
  }
}
