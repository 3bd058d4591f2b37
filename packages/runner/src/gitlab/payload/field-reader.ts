import { boundAt } from './payload-bounds.ts'

/**
 * Reads values of unknown shape and collects what is wrong with them as `path: expected X, got Y`, never with the value
 * itself, which may be a secret. Absent and `null` are the zero value of what is expected: so do the servers mean it.
 */
export class FieldReader {
  readonly problems: string[] = []

  /** Thrown by each that reads texts or lists: an `Error` for a path without a bound. */
  string(value: unknown, path: string): string {
    const text = this.#read(value, path, 'a string', '', (known): known is string => typeof known === 'string')
    return this.isWithin(text.length, path) ? text : ''
  }

  boolean(value: unknown, path: string): boolean {
    return this.#read(value, path, 'true or false', false, (known): known is boolean => typeof known === 'boolean')
  }

  integer(value: unknown, path: string): number {
    return this.#read(value, path, 'an integer', 0, (known): known is number => Number.isSafeInteger(known))
  }

  number(value: unknown, path: string): number {
    return this.#read(value, path, 'a number', 0, (known): known is number => typeof known === 'number')
  }

  object(value: unknown, path: string): Readonly<Record<string, unknown>> {
    return this.#read(value, path, 'an object', {}, isObject)
  }

  array<Item>(value: unknown, path: string, read: (item: unknown, path: string) => Item): Item[] {
    const list = this.#read(value, path, 'an array', [], (known) => Array.isArray(known))
    return this.isWithin(list.length, path) ? list.map((item, index) => read(item, `${path}[${index}]`)) : []
  }

  /** An array of strings. */
  strings(value: unknown, path: string): string[] {
    return this.array(value, path, (item, itemPath) => this.string(item, itemPath))
  }

  /** False, and a problem, where there is more than the bound at a path. */
  isWithin(length: number, path: string): boolean {
    const { most, unit } = boundAt(path)
    if (length <= most) return true
    this.problems.push(`${path}: more than ${most} ${unit}`)
    return false
  }

  #read<Known>(
    value: unknown,
    path: string,
    expected: string,
    zero: Known,
    is: (value: unknown) => value is Known,
  ): Known {
    if (value === undefined || value === null) return zero
    if (is(value)) return value
    this.problems.push(`${path}: expected ${expected}, got ${kindOf(value)}`)
    return zero
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a value is, without saying what it is. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'an integer' : 'a number'
  return `a ${typeof value}`
}
