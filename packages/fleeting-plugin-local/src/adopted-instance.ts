import { type Clock, delay, type InstanceState, type ListedInstance, type Logger } from '@runner-core/fleeting'
import { endProcessesOf } from './instance-processes.ts'
import type { LocalInstance } from './local-instance.ts'
import type { MachineRecord, MachineRecords, RecordedMachine } from './machine-records.ts'
import { isRunning, signalProcess } from './process-identity.ts'
import type { ServerReady } from './server/server-options.ts'

/** A machine's process writes its part of the record within a second or never. */
const startMs = 60_000
/** How long a server may take to end in its own way, and how often it is looked whether it has. */
const graceMs = 5000
const lookMs = 50

export interface AdoptedInstanceOptions {
  readonly recorded: RecordedMachine
  readonly records: MachineRecords
  readonly clock: Clock
  readonly logger: Logger
}

/** One instance that an earlier group started: a process that is no child of ours, known by its record. */
export class AdoptedInstance implements LocalInstance {
  readonly id: string
  readonly launchToken: string
  readonly gone: Promise<void>
  readonly #options: AdoptedInstanceOptions
  readonly #resolveGone: () => void
  #recorded: RecordedMachine
  #state: Extract<InstanceState, 'creating' | 'running' | 'deleting' | 'failed'>

  /** Nothing is looked at before {@link look}. */
  constructor(options: AdoptedInstanceOptions) {
    this.#options = options
    this.#recorded = options.recorded
    this.id = options.recorded.id
    this.launchToken = options.recorded.launch.launchToken
    this.#state = 'creating'
    let resolveGone = (): void => {}
    this.gone = new Promise((resolve) => {
      resolveGone = resolve
    })
    this.#resolveGone = resolveGone
  }

  get ready(): ServerReady | undefined {
    return this.#state === 'running' ? this.#recorded.machine : undefined
  }

  listed(): ListedInstance {
    const { id, launchToken } = this
    return {
      id,
      launchToken,
      state: this.#state,
      ...(this.#state === 'failed' && { detail: 'its process never started' }),
    }
  }

  /**
   * Finds out whether it has come up, has ended and left something, which {@link end} removes, or is gone without a
   * trace. Changes nothing.
   */
  async look(): Promise<'there' | 'ended' | 'gone'> {
    const { records } = this.#options
    if (this.#state === 'deleting') return 'there'
    const recorded = await records.read(this.id)
    if (recorded === undefined) return 'gone'
    this.#recorded = recorded
    if (recorded.machine === undefined) {
      if (this.#isLate) this.#state = 'failed'
      return 'there'
    }
    if (!(await isRunning(recorded.machine))) return 'ended'
    if (this.#state === 'creating') this.#state = 'running'
    return 'there'
  }

  end(): void {
    if (this.#state === 'deleting') return
    this.#state = 'deleting'
    void this.#end()
  }

  letGo(): void {}

  async #end(): Promise<void> {
    const { records, logger } = this.#options
    try {
      await this.#endProcess()
      await endProcessesOf(this.id)
      await records.remove(this.id, this.#recorded.launch.directory)
    } catch (error) {
      logger.warn({ instance: this.id, error }, 'cannot remove what a local instance left behind')
    }
    this.#resolveGone()
  }

  async #endProcess(): Promise<void> {
    const { clock } = this.#options
    const machine = await this.#machine()
    if (machine === undefined) return
    const killAt = clock.now() + graceMs
    await signalProcess(machine, 'SIGTERM')
    while (await isRunning(machine)) {
      if (clock.now() >= killAt) await signalProcess(machine, 'SIGKILL')
      await delay(clock, lookMs)
    }
  }

  /** One that has not come up yet cannot be ended before it does. */
  async #machine(): Promise<MachineRecord | undefined> {
    const { records, clock } = this.#options
    for (;;) {
      this.#recorded = (await records.read(this.id)) ?? this.#recorded
      const { machine } = this.#recorded
      if (machine !== undefined || this.#isLate) return machine
      await delay(clock, lookMs)
    }
  }

  get #isLate(): boolean {
    // A wall clock that was set back must not keep it for ever.
    return Math.abs(this.#options.clock.wallTime() - this.#recorded.launch.launchedAt) > startMs
  }
}
