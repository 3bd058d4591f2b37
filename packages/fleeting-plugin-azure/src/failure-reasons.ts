import type { GroupError } from '@runner-core/fleeting'
import { type AzureFailure, asAzureError } from './errors.ts'
import type { Machine } from './machine.ts'
import { instanceState } from './states.ts'

/** Why machines failed. Only an instance view tells, so it is asked for once for each that is new. */
export class FailureReasons {
  readonly #reasons = new Map<string, GroupError>()

  /**
   * Learns why those of `machines` that failed did so, by `listWithView` if there is a new one; forgets those that are
   * gone.
   */
  async learn(machines: readonly Machine[], listWithView: () => Promise<readonly Machine[]>): Promise<void> {
    const failed = machines
      .filter(({ provisioningState }) => instanceState(provisioningState) === 'failed')
      .map(({ id }) => id)
    for (const id of this.#reasons.keys()) if (!failed.includes(id)) this.#reasons.delete(id)
    if (failed.every((id) => this.#reasons.has(id))) return
    const views = new Map((await listWithView()).map((machine) => [machine.id, machine]))
    for (const id of failed) {
      const machine = views.get(id)
      if (machine !== undefined)
        this.#reasons.set(id, asAzureError(`machine ${id} failed`, failureOf(machine), { instanceId: id }))
    }
  }

  of(id: string): GroupError | undefined {
    return this.#reasons.get(id)
  }
}

/** From a status such as `ProvisioningState/failed/AllocationFailed`. */
function failureOf({ statuses, provisioningState }: Machine): AzureFailure {
  const status = statuses.find(({ code }) => code?.toLowerCase().startsWith('provisioningstate/failed'))
  const code = status?.code?.split('/')[2]
  return { code, message: status?.message ?? `its provisioning ended as ${provisioningState}` }
}
