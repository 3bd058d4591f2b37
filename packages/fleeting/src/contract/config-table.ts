import { closest, distance } from 'fastest-levenshtein'
import { GroupError } from './errors.ts'
import { readDuration } from './read-duration.ts'

/**
 * A plugin's configuration, read key by key at the border. Reading never throws: a missing or wrong value reads as
 * `undefined`, and what is wrong with it is collected, in sub-tables too. {@link ConfigTable.check} then throws
 * everything at once, keys that nobody asked for included.
 *
 * ```ts
 * const table = new ConfigTable(config)
 * const parsed = { zone: table.string('zone'), maxSize: table.integer('max_size', { min: 1 }) ?? 10 }
 * table.check()
 * ```
 */
export class ConfigTable {
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>
  readonly #known = new Set<string>()
  readonly #tables: ConfigTable[] = []
  readonly #problems: string[] = []
  readonly #isBroken: boolean

  /** `value` undefined reads as an empty table. `path` stands before each key in messages. */
  constructor(value: unknown, path = 'plugin_config') {
    this.#path = path
    this.#values = isTable(value) ? value : {}
    this.#isBroken = value !== undefined && !isTable(value)
    if (this.#isBroken) this.#problems.push(`${path}: expected a table, got ${describeKind(value)}`)
  }

  /** A string that is not empty. */
  string(key: string): string | undefined {
    return this.#read(key, 'a string that is not empty', (value) => typeof value === 'string' && value !== '') as
      | string
      | undefined
  }

  /** As {@link string}, but no message ever shows the value. */
  secret(key: string): string | undefined {
    const value = this.#take(key)
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    this.problem(key, 'a string that is not empty', describeKind(value))
    return undefined
  }

  /** One string, or a list of strings. */
  strings(key: string): readonly string[] | undefined {
    const isList = (value: unknown): boolean =>
      Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
    const value = this.#read(key, 'a string or a list of strings', (value) => isList([value]) || isList(value))
    return value === undefined ? undefined : ([value].flat() as string[])
  }

  /** One of a few words. */
  choice<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    return this.#read(key, words.map((word) => JSON.stringify(word)).join(' or '), (value) =>
      words.includes(value as Word),
    ) as Word | undefined
  }

  /** A whole number between `min` (default 0) and `max`, both included. */
  integer(
    key: string,
    { min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {},
  ): number | undefined {
    const expected =
      max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`
    return this.#read(
      key,
      expected,
      (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    ) as number | undefined
  }

  /** A finite number: at least `min`, or above `above`, where one is given. */
  number(key: string, { min, above }: { readonly min?: number; readonly above?: number }): number | undefined {
    const expected = above === undefined ? `a number, at least ${min ?? 0}` : `a number above ${above}`
    const isFine = (value: unknown): boolean =>
      typeof value === 'number' && Number.isFinite(value) && (above === undefined ? value >= (min ?? 0) : value > above)
    return this.#read(key, expected, isFine) as number | undefined
  }

  /** `true` or `false`. */
  boolean(key: string): boolean | undefined {
    return this.#read(key, 'true or false', (value) => typeof value === 'boolean') as boolean | undefined
  }

  /** A duration in Go's notation, such as `1m30s`, in milliseconds: at least `minMs` (default 0). */
  duration(key: string, { minMs = 0 }: { readonly minMs?: number } = {}): number | undefined {
    const expected = `a duration such as "1m30s"${minMs === 0 ? '' : `, at least "${minMs / 1000}s"`}`
    const read = (value: unknown): number | undefined => (typeof value === 'string' ? readDuration(value) : undefined)
    return read(this.#read(key, expected, (value) => (read(value) ?? -1) >= minMs))
  }

  /** An absolute URL without credentials, as it is written. `protocols`: default both. */
  url(
    key: string,
    { protocols = ['http', 'https'] }: { readonly protocols?: readonly ('http' | 'https')[] } = {},
  ): string | undefined {
    const value = this.#take(key)
    if (value === undefined || (typeof value === 'string' && isUrl(value, protocols))) return value
    // What is no URL may hold credentials all the same.
    const shown = typeof value === 'string' ? value.replace(/^([^/]*\/\/)?.*@/s, '$1[hidden]@') : value
    this.problem(key, `an ${protocols.join(' or ')} URL without credentials`, describeValue(shown))
    return undefined
  }

  /** A table that somebody else reads: nothing in it is looked at. */
  table(key: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.#take(key)
    if (value === undefined || isTable(value)) return value
    this.problem(key, 'a table', describeKind(value))
    return undefined
  }

  /** A table of settings that are read like this one's; an empty one where the key is not there. */
  section(key: string): ConfigTable {
    const section = new ConfigTable(this.#take(key), `${this.#path}.${key}`)
    this.#tables.push(section)
    return section
  }

  /** A table of tables, by name, in the order in which they were written. */
  tables(key: string): ReadonlyMap<string, ConfigTable> {
    const value = this.#take(key)
    if (value !== undefined && !isTable(value)) this.problem(key, 'a table', describeKind(value))
    const tables = Object.entries(isTable(value) ? value : {}).map(
      ([name, table]) => [name, new ConfigTable(table, `${this.#path}.${key}.${name}`)] as const,
    )
    this.#tables.push(...tables.map(([, table]) => table))
    return new Map(tables)
  }

  /** True when the key is there. It then counts as known. */
  has(key: string): boolean {
    return this.#take(key) !== undefined
  }

  /** Notes that `key` is wrong in a way that the readers cannot see. Default of `got`: its value. */
  problem(key: string, expected: string, got: string = describeValue(this.#values[key])): void {
    // Of what is no table at all, no key is worth a message.
    if (!this.#isBroken) this.#problems.push(`${this.#path}.${key}: expected ${expected}, got ${got}`)
  }

  /**
   * Throws `invalid_config` with every problem, one a line, when there is one. Call it last: a key that was never read
   * is unknown.
   */
  check(): void {
    const problems = this.#allProblems()
    if (problems.length > 0) throw new GroupError('invalid_config', problems.join('\n'))
  }

  #allProblems(): string[] {
    const unknown = Object.keys(this.#values).filter((key) => !this.#known.has(key))
    return [
      ...this.#problems,
      ...unknown.map(
        (key) => `${this.#path}.${key}: expected no such key${this.#suggestion(key)}, got ${typeof this.#values[key]}`,
      ),
      ...this.#tables.flatMap((table) => table.#allProblems()),
    ]
  }

  #suggestion(key: string): string {
    const known = [...this.#known]
    if (known.length === 0) return ''
    const nearest = closest(key, known)
    return distance(key, nearest) <= Math.max(2, key.length / 2)
      ? ` (did you mean ${nearest}?)`
      : ` (known: ${known.join(', ')})`
  }

  #read(key: string, expected: string, isFine: (value: unknown) => boolean): unknown {
    const value = this.#take(key)
    if (value === undefined || isFine(value)) return value
    this.problem(key, expected)
    return undefined
  }

  #take(key: string): unknown {
    this.#known.add(key)
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return protocols.some((each) => protocol === `${each}:`) && username === '' && password === ''
}

/** A value as messages show it, cut when it is long. Never what an array or a table holds: a secret may be in it. */
export function describeValue(value: unknown): string {
  if (typeof value === 'object' && value !== null) return describeKind(value)
  if (value === undefined) return 'nothing'
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? typeof value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** A value that may be secret, as messages show it: what it is, not what it says. */
export function describeKind(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (typeof value === 'object') return value === null ? 'null' : 'a table'
  return value === '' ? 'an empty string' : `a ${typeof value}`
}
