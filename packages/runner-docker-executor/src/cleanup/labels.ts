/** Whose a container, network or volume is. */
export interface AttemptLabels {
  /** The fleet that the job runs in, and whose manager has it: `name/token/system ID`. */
  readonly fleet: string
  /** Of this attempt to run the job alone. */
  readonly attempt: string
  readonly job: number
  readonly project: number
  /** Wall time after which it is of no use to anybody, milliseconds. */
  readonly expiresAt: number
}

const prefix = 'dev.runner-core'

export const fleetLabel: string = `${prefix}.fleet`
export const attemptLabel: string = `${prefix}.attempt`
export const expiryLabel: string = `${prefix}.expires`

/** On volumes that stay for the next job: the fleet whose caches they are. */
export const cacheLabel: string = `${prefix}.caches-of`

/** Labels by which what a job made on an Engine is found, and told from what others made. */
export function attemptLabels({ fleet, attempt, job, project, expiresAt }: AttemptLabels): Record<string, string> {
  return {
    [fleetLabel]: fleet,
    [attemptLabel]: attempt,
    [`${prefix}.job`]: `${job}`,
    [`${prefix}.project`]: `${project}`,
    [expiryLabel]: new Date(expiresAt).toISOString(),
  }
}
