import { type JsonValue, type StateChange, StateError, type StateRecord } from './state-store.ts'

/** How the values of one kind of record are kept. */
export interface RecordKind<Value> {
  readonly write: (value: Value) => JsonValue
  /** Undefined for what has not the expected form, whoever wrote it: it is passed over. */
  readonly read: (value: JsonValue) => Value | undefined
  /** `power`: a write survives the loss of power too once it resolves. @defaultValue `process` */
  readonly survives?: 'power'
}

export interface StateNamespaceOptions<Values extends object> {
  readonly name: string
  /** Grows with a form that an earlier version would read wrongly. From 1. */
  readonly version: number
  readonly kinds: { readonly [Kind in keyof Values]: RecordKind<Values[Kind]> }
}

/** The kind of the records that tell which version of a namespace wrote last, by its name. */
const versionKind = 'version'

/**
 * The records of one layer: which kinds it has, and how their values are written and read. Each layer reads and writes
 * its own records alone.
 */
export class StateNamespace<Values extends object> {
  /** What to load. */
  readonly kinds: readonly string[]
  readonly #options: StateNamespaceOptions<Values>

  constructor(options: StateNamespaceOptions<Values>) {
    this.#options = options
    this.kinds = [...Object.keys(options.kinds), versionKind]
  }

  /** Puts a value, or deletes what is there. */
  change<Kind extends keyof Values & string>(kind: Kind, key: string, value: Values[Kind] | null): StateChange {
    if (value === null) return { kind, key, value: null }
    const { write, survives } = this.#options.kinds[kind]
    return { kind, key, value: write(value), ...(survives && { survives }) }
  }

  /** The records of a kind, in their order. */
  read<Kind extends keyof Values & string>(
    kind: Kind,
    records: readonly StateRecord[],
  ): readonly { readonly key: string; readonly value: Values[Kind] }[] {
    const { read } = this.#options.kinds[kind]
    return records.flatMap((record) => {
      const value = record.kind === kind ? read(record.value) : undefined
      return value === undefined ? [] : [{ key: record.key, value }]
    })
  }

  /**
   * What has to be written before anything else, so that the next process knows which version wrote last.
   *
   * @throws StateError `newer_schema` when a newer version did
   */
  claim(records: readonly StateRecord[]): readonly StateChange[] {
    const { name, version } = this.#options
    const kept = records.find(({ kind, key }) => kind === versionKind && key === name)?.value
    if (kept === version) return []
    if (typeof kept === 'number' && kept > version)
      throw new StateError(
        'newer_schema',
        `the records of ${name} have version ${kept}, and this program supports ${version}: start the version that wrote them`,
      )
    return [{ kind: versionKind, key: name, value: version, survives: 'power' }]
  }
}
