/**
 * When things happened on a job's machine, on the runner's wall clock. The machine says how long it has been up, which
 * no clock that is set can change, and its first word is taken for the moment at which the first script was started. So
 * times depend on nothing but what is kept and what the job printed: whoever reads that, whenever he reads it, comes to
 * the same.
 */
export class MachineTime {
  /** Wall time, milliseconds. */
  #bootedAt: number | undefined

  /**
   * Wall time in milliseconds, never later than it is. `uptime`: seconds, as `/proc/uptime` has it; undefined comes
   * back where it is no such number. `startedAt`: wall time at which the script that says so was started.
   */
  wallTime(uptime: string | undefined, startedAt: number): number | undefined {
    if (uptime === undefined || !/^\d{1,10}(\.\d{1,9})?$/.test(uptime)) return undefined
    const upMs = Math.round(Number(uptime) * 1000)
    this.#bootedAt ??= startedAt - upMs
    return this.#bootedAt + upMs
  }
}
