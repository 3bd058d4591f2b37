import type { FleetLease, HostKeyPins, Journal } from '@runner-core/fleeting'

const kind = 'fleet'
const prefix = 'host key '
/** Those of instances that went while no process looked stay: of more, the oldest are forgotten. */
const mostKeys = 10_000

/** The host keys that instances showed first, kept over processes: a machine that takes an instance's address between two of them is not taken for it. What cannot be written now is written later. */
export class KeptHostKeys implements HostKeyPins {
  readonly #journal: Pick<Journal, 'note'>
  readonly #keys: Map<string, string>
  readonly #wallTime: () => number

  private constructor(journal: Pick<Journal, 'note'>, keys: Map<string, string>, wallTime: () => number) {
    this.#journal = journal
    this.#keys = keys
    this.#wallTime = wallTime
  }

  /** Thrown: `StateError`, `FencedError`. */
  static async load(journal: Pick<Journal, 'note'> & Pick<FleetLease, 'load'>, wallTime: () => number): Promise<KeptHostKeys> {
    const kept = (await journal.load([kind])).flatMap(({ key, value }) => {
      if (!key.startsWith(prefix) || typeof value !== 'object' || value === null || !('key' in value)) return []
      const { key: hostKey, at } = value as { key: unknown; at: unknown }
      return typeof hostKey === 'string' ? [{ id: key.slice(prefix.length), hostKey, at: Number(at) || 0 }] : []
    })
    kept.sort((one, other) => one.at - other.at)
    const keys = new KeptHostKeys(journal, new Map(kept.map(({ id, hostKey }) => [id, hostKey])), wallTime)
    for (const { id } of kept.slice(0, Math.max(0, kept.length - mostKeys))) keys.delete(id)
    return keys
  }

  get(instanceId: string): string | undefined {
    return this.#keys.get(instanceId)
  }

  set(instanceId: string, hostKey: string): void {
    this.#keys.set(instanceId, hostKey)
    this.#journal.note({ kind, key: `${prefix}${instanceId}`, value: { key: hostKey, at: this.#wallTime() } })
  }

  delete(instanceId: string): void {
    if (this.#keys.delete(instanceId)) this.#journal.note({ kind, key: `${prefix}${instanceId}`, value: null })
  }
}
