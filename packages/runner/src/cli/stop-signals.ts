/**
 * How hard a stop is: `graceful` lets running jobs finish · `fast` ends them and reports them · `now` just ends the
 * process.
 */
export type StopMode = 'graceful' | 'fast' | 'now'

const modes: readonly StopMode[] = ['graceful', 'fast', 'now']
const firstMode: Readonly<Record<string, StopMode>> = {
  SIGQUIT: 'graceful',
  SIGINT: 'fast',
  SIGTERM: 'fast',
  SIGHUP: 'fast',
}

/** The signals that stop a run. */
export const stopSignals: readonly NodeJS.Signals[] = ['SIGQUIT', 'SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Ctrl-C reaches a process once from the terminal and once more from npx, within milliseconds. Nobody presses it twice
 * that fast.
 */
const sameKeyMs = 150

/**
 * What a signal means after those before it: SIGQUIT is graceful, SIGINT and SIGTERM are fast, and each further one is
 * at least one step harder. SIGHUP, which tells that the terminal or the starting process went, is fast too, and
 * nothing new to a run that stops already. Answers undefined for a signal that changes nothing.
 */
export class StopSequence {
  #mode: StopMode | undefined
  #interruptedAt = Number.NEGATIVE_INFINITY

  /** `now` in milliseconds. */
  next(signal: string, now: number): StopMode | undefined {
    if (signal === 'SIGINT' && now - this.#interruptedAt < sameKeyMs) return undefined
    if (signal === 'SIGINT') this.#interruptedAt = now
    if (signal === 'SIGHUP' && this.#mode !== undefined) return undefined
    const wanted = modes.indexOf(firstMode[signal] ?? 'fast')
    const harder = this.#mode === undefined ? 0 : modes.indexOf(this.#mode) + 1
    this.#mode = modes[Math.min(Math.max(wanted, harder), modes.length - 1)]
    return this.#mode
  }
}
