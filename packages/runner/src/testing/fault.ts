import type { Reply } from './reply.ts'

/**
 * The kinds of request. A PUT is told apart by what it says: `accept` takes the job, `keep_alive` says it goes on,
 * `finish` ends it. `download` gets what an earlier job left, `upload` brings what a job leaves.
 */
export type Endpoint =
  | 'verify'
  | 'request'
  | 'accept'
  | 'keep_alive'
  | 'trace'
  | 'finish'
  | 'download'
  | 'upload'
  | 'unknown'

/** What goes wrong with some requests. */
export interface Fault {
  readonly on: Endpoint
  /** Only requests about this job. Default: any. */
  readonly jobId?: number
  /** How many such requests pass first. Default 0. */
  readonly skip?: number
  /** How many are hit then. Default 1. */
  readonly times?: number
  /** Of an `upload`: the connection breaks after so many bytes of its body. */
  readonly cutAfterBytes?: number
  /** Waits this long before the reply, milliseconds. Default 0. */
  readonly delayMs?: number
  /**
   * What is answered: a reply of one's own, the honest one changed, or `drop`, which closes the connection. Default:
   * the honest reply.
   */
  readonly reply?: Partial<Reply> | ((honest: Reply) => Reply) | 'drop'
  /** Whether the request still takes effect. Default: true unless `reply` is an object or `drop`. */
  readonly effective?: boolean
}

/** The faults to come, each used up as requests arrive. */
export class FaultScript {
  readonly #pending: { readonly fault: Fault; skip: number; times: number }[] = []

  add(fault: Fault): void {
    this.#pending.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1 })
  }

  /**
   * The fault that hits this request, if any. Every fault that matches counts the request; the first one that is due
   * hits it.
   */
  take(endpoint: Endpoint, jobId: number | undefined): Fault | undefined {
    const matching = this.#pending.filter(
      ({ fault }) => fault.on === endpoint && (fault.jobId === undefined || fault.jobId === jobId),
    )
    const due = matching.find(({ skip }) => skip === 0)
    for (const entry of matching) if (entry.skip > 0) entry.skip -= 1
    if (due !== undefined && --due.times === 0) this.#pending.splice(this.#pending.indexOf(due), 1)
    return due?.fault
  }

  /** Forgets all faults that have not come yet. */
  clear(): void {
    this.#pending.length = 0
  }
}

/** Whether the request takes effect in spite of the fault. */
export function isEffective({ reply, effective, cutAfterBytes }: Fault): boolean {
  return effective ?? (cutAfterBytes === undefined && (reply === undefined || typeof reply === 'function'))
}
