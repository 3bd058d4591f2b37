import type { FleetLease, Journal, JsonValue } from '@runner-core/fleeting/state'

export interface KeptMapOptions<Value extends JsonValue> {
  readonly journal: Pick<Journal, 'note'> & Pick<FleetLease, 'load'>
  /** What its records' keys begin with: no other map's. */
  readonly prefix: string
  /**
   * More are not kept: those of instances that went while no process looked would stay. The one that was set first goes
   * first.
   */
  readonly most: number
  readonly wallTime: () => number
  readonly isValue: (value: unknown) => value is Value
}

const kind = 'fleet'

/** What is known of instances by their name, kept over processes. What cannot be written now is written later. */
export class KeptMap<Value extends JsonValue> {
  readonly #options: KeptMapOptions<Value>
  readonly #values: Map<string, Value>

  private constructor(options: KeptMapOptions<Value>, values: Map<string, Value>) {
    this.#options = options
    this.#values = values
  }

  /** Values of an unexpected form are ignored. Thrown: `StateError`, `FencedError`. */
  static async load<Value extends JsonValue>(options: KeptMapOptions<Value>): Promise<KeptMap<Value>> {
    const { journal, prefix, isValue } = options
    const kept = (await journal.load([kind])).flatMap(({ key, value: record }) => {
      if (!key.startsWith(prefix) || typeof record !== 'object' || record === null || !('value' in record)) return []
      const { value, at } = record as { readonly value: unknown; readonly at?: unknown }
      return isValue(value) ? [{ name: key.slice(prefix.length), value, at: Number(at) || 0 }] : []
    })
    kept.sort((one, other) => one.at - other.at)
    const map = new KeptMap(options, new Map(kept.map(({ name, value }) => [name, value])))
    map.#shrink()
    return map
  }

  get(name: string): Value | undefined {
    return this.#values.get(name)
  }

  set(name: string, value: Value): void {
    const { journal, prefix, wallTime } = this.#options
    this.#values.delete(name)
    this.#values.set(name, value)
    journal.note({ kind, key: `${prefix}${name}`, value: { value, at: wallTime() }, survives: 'power' })
    this.#shrink()
  }

  delete(name: string): void {
    const { journal, prefix } = this.#options
    if (this.#values.delete(name)) journal.note({ kind, key: `${prefix}${name}`, value: null })
  }

  #shrink(): void {
    for (const name of this.#values.keys()) {
      if (this.#values.size <= this.#options.most) return
      this.delete(name)
    }
  }
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}
