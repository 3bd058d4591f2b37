import type { CloudFault, FaultyCall } from '@runner-core/fleeting/testing'

/** Faults that are still to be met, each call's in the order given. */
export class Faults {
  readonly #queues = new Map<FaultyCall, { readonly fault: CloudFault; left: number }[]>()

  inject(fault: CloudFault): void {
    const queue = this.#queues.get(fault.on) ?? []
    queue.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })
    this.#queues.set(fault.on, queue)
  }

  heal(): void {
    this.#queues.clear()
  }

  /** The fault that this request meets, if any. */
  take(call: FaultyCall | undefined): CloudFault | undefined {
    const queue = call === undefined ? undefined : this.#queues.get(call)
    const first = queue?.[0]
    if (queue === undefined || first === undefined) return undefined
    first.left -= 1
    if (first.left <= 0) queue.shift()
    return first.fault
  }
}
