import type { Logger } from '../../contract/logger.ts'

/** Those who know whether an instance is in use. One yes is enough, and a check that cannot tell counts as a yes. */
export class BusyChecks {
  readonly #checks = new Set<(instanceId: string) => boolean>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(isBusy: (instanceId: string) => boolean): () => void {
    this.#checks.add(isBusy)
    return () => this.#checks.delete(isBusy)
  }

  isBusy(id: string): boolean {
    for (const isBusy of this.#checks) {
      try {
        if (isBusy(id)) return true
      } catch (error) {
        this.#logger.error({ err: error, instance: id }, 'a busy check failed')
        return true
      }
    }
    return false
  }
}
