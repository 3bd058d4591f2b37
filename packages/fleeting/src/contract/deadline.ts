import type { Clock } from './clock.ts'

/** A signal that must be disposed of when what it guards is over. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/** A signal that aborts with `reason()` after `delayMs`, and with the reason of `parent` when that one aborts first. */
export function deadline(clock: Clock, delayMs: number, reason: () => Error, parent?: AbortSignal): Deadline {
  // Not `AbortSignal.any`: on Node 20 each call leaves something behind on a long-lived parent.
  const controller = new AbortController()
  const onParent = (): void => controller.abort(parent?.reason)
  if (parent?.aborted) onParent()
  parent?.addEventListener('abort', onParent, { once: true })
  const cancel = clock.after(delayMs, () => controller.abort(reason()))
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      cancel()
      parent?.removeEventListener('abort', onParent)
    },
  }
}
