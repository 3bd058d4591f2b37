/** What a provisioner does by itself in a phase of its life. */
interface PhaseRules {
  /** Whether it acts at all. */
  readonly acts: boolean
  /** Whether no launch is accepted any more. */
  readonly isClosed: boolean
  /** What it removes: what nobody can use; all instances; also what was asked for and no `list` has shown. */
  readonly removes: 'nothing' | 'unusable' | 'all' | 'unseen too'
  readonly next: readonly Phase[]
}

export type Phase = 'reading' | 'running' | 'closing' | 'emptying' | 'last_call' | 'stopped'

/** `stopped` comes from any phase: the process is over, or another one has the fleet. */
const phases: Readonly<Record<Phase, PhaseRules>> = {
  reading: { acts: false, isClosed: false, removes: 'nothing', next: ['running', 'stopped'] },
  running: { acts: true, isClosed: false, removes: 'unusable', next: ['closing', 'stopped'] },
  closing: { acts: true, isClosed: true, removes: 'unusable', next: ['emptying', 'stopped'] },
  emptying: { acts: true, isClosed: true, removes: 'all', next: ['last_call', 'closing', 'stopped'] },
  last_call: { acts: true, isClosed: true, removes: 'unseen too', next: ['closing', 'stopped'] },
  stopped: { acts: false, isClosed: true, removes: 'nothing', next: [] },
}

/** In which phase a provisioner is. */
export class Lifecycle {
  #phase: Phase = 'reading'

  get phase(): Phase {
    return this.#phase
  }

  get rules(): PhaseRules {
    return phases[this.#phase]
  }

  get isStopped(): boolean {
    return this.#phase === 'stopped'
  }

  /** Does nothing where that phase cannot follow: what is stopped stays so. */
  enter(phase: Phase): void {
    if (this.rules.next.includes(phase)) this.#phase = phase
  }
}
