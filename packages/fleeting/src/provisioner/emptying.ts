import type { ProvisionerContext } from './context.ts'
import type { Instance } from './instances/instance.ts'
import type { Launcher } from './launches/launcher.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Remover } from './removals/remover.ts'

export interface EmptyingParts {
  readonly context: ProvisionerContext
  readonly lifecycle: Lifecycle
  readonly launcher: Launcher
  readonly remover: Remover
  readonly instances: () => Iterable<Instance>
  /** Nobody here made it, and nobody here removes it. */
  readonly isLeftAlone: (instance: Instance) => boolean
}

/** The removal of everything, at the end. */
export class Emptying {
  readonly #parts: EmptyingParts
  #end = (): void => {}

  constructor(parts: EmptyingParts) {
    this.#parts = parts
  }

  /** Resolves when nothing is left that may be removed, nor under way; or when the time is up. */
  run(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { context, lifecycle, remover, instances } = this.#parts
    const { clock, settings } = context
    lifecycle.enter('emptying')
    return new Promise((resolve) => {
      const cancel = clock.after(timeoutMs, () => this.#end())
      const cancelLastCall = clock.after(Math.max(0, timeoutMs - settings.shutdownDeletionIntervalMs), () => {
        lifecycle.enter('last_call')
        context.wake()
      })
      const onAbort = (): void => this.#end()
      this.#end = () => {
        cancel()
        cancelLastCall()
        signal?.removeEventListener('abort', onAbort)
        lifecycle.enter('closing')
        resolve()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) return this.#end()
      for (const { id, removal } of instances()) if (removal !== undefined) remover.mark(id, removal.reason)
      remover.hurry()
      context.wake()
    })
  }

  /** Looks whether it has come to its end. */
  look(): void {
    if (this.#parts.lifecycle.isStopped || this.#isEmpty()) this.#end()
  }

  #isEmpty(): boolean {
    const { launcher, remover, instances, isLeftAlone } = this.#parts
    if (launcher.busy || launcher.unlisted('expired').some((id) => !remover.isAccepted(id))) return false
    for (const instance of instances()) if (instance.removal !== undefined || !isLeftAlone(instance)) return false
    return true
  }
}
