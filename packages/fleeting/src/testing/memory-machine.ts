import type { GroupError } from '../contract/errors.ts'
import type { InstanceState, ListedInstance } from '../contract/instance-group.ts'

/**
 * One machine of a memory group as a plan over time: its state at any moment is computed, so that nothing has to tick.
 */
export class MemoryMachine {
  readonly id: string
  readonly launchToken: string | undefined
  readonly placement: string | undefined
  /** From when `list` shows it. */
  appearsAt: number
  /** `Infinity`: stays `creating` for ever. */
  runningAt: number
  deletingAt: number = Infinity
  goneAt: number = Infinity
  /** Set by hand; wins over what the times say until the machine is deleted. */
  forced:
    | { readonly state: InstanceState; readonly detail?: string; readonly error?: GroupError; readonly from: number }
    | undefined

  constructor(
    id: string,
    launchToken: string | undefined,
    placement: string | undefined,
    appearsAt: number,
    runningAt: number,
  ) {
    this.id = id
    this.launchToken = launchToken
    this.placement = placement
    this.appearsAt = appearsAt
    this.runningAt = runningAt
  }

  /** Undefined: not there (yet, or any more). */
  stateAt(time: number): InstanceState | undefined {
    if (time < this.appearsAt || time >= this.goneAt) return undefined
    if (time >= this.deletingAt) return 'deleting'
    if (this.forced !== undefined && time >= this.forced.from) return this.forced.state
    return time >= this.runningAt ? 'running' : 'creating'
  }

  rowAt(time: number, withToken: boolean): ListedInstance | undefined {
    const state = this.stateAt(time)
    if (state === undefined) return undefined
    const { detail, error } = state === this.forced?.state ? this.forced : {}
    return {
      id: this.id,
      state,
      ...(detail !== undefined && { detail }),
      ...(error !== undefined && { error }),
      ...(withToken && this.launchToken !== undefined && { launchToken: this.launchToken }),
      ...(this.placement !== undefined && { placement: this.placement }),
    }
  }
}
