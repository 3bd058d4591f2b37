/** What a runner does in a phase of its life. */
interface PhaseRules {
  /** Whether its fleet is this process's own; otherwise it is another's, or becomes it. */
  readonly ownsFleet: boolean
  /** Whether nothing is done for it here any more. */
  readonly isGone: boolean
  readonly next: readonly RunnerPhase[]
}

/**
 * - `starting`: its fleet is being started, again and again until that succeeds
 * - `failed`: no further try could start it
 * - `running`: it takes jobs
 * - `stopping`: it takes no more, and waits for those that run
 * - `returning`: its instances are being shut down, so it is too late to hand them over
 * - `handing_over`: another process asked for the fleet
 * - `losing_group`: another manager has taken the instances
 * - `departing`, `departed`: another process has the fleet
 */
export type RunnerPhase =
  | 'starting'
  | 'failed'
  | 'running'
  | 'stopping'
  | 'returning'
  | 'stopped'
  | 'handing_over'
  | 'losing_group'
  | 'departing'
  | 'departed'

const owned = { ownsFleet: true, isGone: false }
const leaving = { ownsFleet: false, isGone: false }
const gone = { ownsFleet: false, isGone: true }

const phases: Readonly<Record<RunnerPhase, PhaseRules>> = {
  starting: { ...owned, next: ['failed', 'running', 'stopping', 'handing_over', 'departing'] },
  failed: { ...owned, next: ['stopping', 'handing_over', 'departing'] },
  running: { ...owned, next: ['stopping', 'handing_over', 'losing_group', 'departing'] },
  stopping: { ...owned, next: ['returning', 'handing_over', 'losing_group', 'departing'] },
  returning: { ...owned, next: ['stopped', 'losing_group', 'departing'] },
  stopped: { ...owned, next: [] },
  handing_over: { ...leaving, next: ['losing_group', 'departing'] },
  losing_group: { ...leaving, next: ['departing'] },
  departing: { ...gone, next: ['departed'] },
  departed: { ...gone, next: [] },
}

/** In which phase a runner is. */
export class RunnerLifecycle {
  #phase: RunnerPhase = 'starting'

  get phase(): RunnerPhase {
    return this.#phase
  }

  get rules(): PhaseRules {
    return phases[this.#phase]
  }

  /** False, and nothing changes, where that phase cannot follow. */
  enter(phase: RunnerPhase): boolean {
    if (!this.rules.next.includes(phase)) return false
    this.#phase = phase
    return true
  }
}
