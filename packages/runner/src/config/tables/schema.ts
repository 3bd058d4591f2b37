/**
 * What a configuration file may hold, as data: one description serves reading, checking and the reference page.
 *
 * Reading never stops at the first problem. A bad value is reported and read as absent, so that everything else is
 * still checked.
 *
 * @module
 */
import { type ForeignKey, isOff } from './foreign-key.ts'
import { unknownKeyMessage } from './unknown-key.ts'

/** What reading needs besides the value: where it stands, and whom to tell. */
export interface ReadContext {
  readonly path: string
  readonly problem: (path: string, message: string) => void
  readonly warning: (path: string, message: string) => void
  /** Reads a file that the configuration names; throws as `fs.readFileSync` does. */
  readonly readFile: (path: string) => string
  /** Variables of this process. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Whether a key that is refused may be ignored all the same. Default: none may. */
  readonly mayIgnore?: (path: string) => boolean
}

/** A kind of value: reads one from TOML. */
export interface Kind<T> {
  /** Completes "expected …". */
  readonly expected: string
  /** The value, or undefined after its problems have been reported. */
  readonly read: (value: unknown, context: ReadContext) => T | undefined
  /** A wrong value as a message shows it. Default: {@link show}. */
  readonly got?: (value: unknown) => string
  /** The table that the value is, or that the list's items are; for the reference page. */
  readonly table?: TableSchema<object>
  readonly isList?: boolean
}

/** One key of a table. */
export interface Field<T> {
  /** As the file spells it. */
  readonly key: string
  readonly kind: Kind<T>
  /** Meaning and units, for operators. */
  readonly doc: string
  /**
   * `required`: a problem when absent. `optional`: left out when absent. `default`: read as if the file said
   * `byDefault`.
   */
  readonly presence: 'required' | 'optional' | 'default'
  /** A TOML value. */
  readonly byDefault?: unknown
}

/** The keys of a table, by the property that each becomes. */
export type TableSchema<S> = {
  readonly fields: { readonly [K in keyof S]-?: Field<Exclude<S[K], undefined>> }
  /** Keys that GitLab Runner knows here and that are not heeded. */
  readonly foreign?: Readonly<Record<string, ForeignKey>>
}

export function required<T>(key: string, kind: Kind<T>, doc: string): Field<T> {
  return { key, kind, doc, presence: 'required' }
}

export function optional<T>(key: string, kind: Kind<T>, doc: string): Field<T> {
  return { key, kind, doc, presence: 'optional' }
}

/** `value` is a TOML value, written as in the file; it is read the way the file's own is. */
export function byDefault<T>(key: string, value: unknown, kind: Kind<T>, doc: string): Field<T> {
  return { key, kind, doc, presence: 'default', byDefault: value }
}

/** A value without parts. `read` answers undefined for what is not such a value. */
export function leaf<T>(
  expected: string,
  read: (value: unknown, context: ReadContext) => T | undefined,
  got: (value: unknown) => string = show,
): Kind<T> {
  return {
    expected,
    got,
    read(value, context) {
      const result = read(value, context)
      if (result === undefined) context.problem(context.path, `expected ${expected}, got ${got(value)}`)
      return result
    },
  }
}

/** An array whose items are all of one kind. */
export function list<T>(item: Kind<T>, { min = 0 }: { readonly min?: 0 | 1 } = {}): Kind<readonly T[]> {
  const expected = `an array${min === 1 ? ' of one or more' : ''}, each item ${item.expected}`
  return {
    expected,
    isList: true,
    ...(item.table && { table: item.table }),
    read(value, context) {
      if (!Array.isArray(value) || value.length < min) {
        const got = item.got ?? show
        const hint = item.table && isTable(value) ? headerHint(`[[${context.path}]]`) : ''
        context.problem(context.path, `expected ${expected}, got ${got(value)}${hint}`)
        return undefined
      }
      // A bad item keeps its place, so that later problems name the right index.
      return value.map((each: unknown, index) =>
        item.read(each, { ...context, path: `${context.path}[${index}]` }),
      ) as readonly T[]
    },
  }
}

/** A table with known keys. Its value holds what could be read, even when something was reported. */
export function table<S extends object>(schema: TableSchema<S>): Kind<S> {
  const fields = Object.entries(schema.fields) as [keyof S & string, Field<unknown>][]
  const known = fields.map(([, { key }]) => key)
  const { foreign = {} } = schema
  return {
    expected: 'a table',
    table: schema as TableSchema<object>,
    read(value, context) {
      if (!isTable(value)) {
        const hint = Array.isArray(value) && value.every(isTable) ? headerHint(`[${context.path}]`) : ''
        context.problem(context.path, `expected a table, got ${show(value)}${hint}`)
        return undefined
      }
      const at = (key: string): string => (context.path === '' ? key : `${context.path}.${key}`)
      for (const key of Object.keys(value)) {
        if (known.includes(key)) continue
        if (Object.hasOwn(foreign, key)) readForeign(at(key), value[key], foreign[key]!, context)
        else context.problem(at(key), unknownKeyMessage(key, known))
      }
      const result: Record<string, unknown> = {}
      for (const [property, { key, kind, presence, byDefault: fallback }] of fields) {
        const present = Object.hasOwn(value, key)
        if (!present && presence === 'required') context.problem(at(key), `expected ${kind.expected}, got nothing`)
        if (!present && presence !== 'default') continue
        const read = kind.read(present ? value[key] : fallback, { ...context, path: at(key) })
        if (read !== undefined) result[property] = read
      }
      return result as S
    },
  }
}

function readForeign(path: string, value: unknown, foreign: ForeignKey, context: ReadContext): void {
  const { problem, warning, mayIgnore } = context
  if (foreign.is !== 'refused') {
    if (foreign.isQuiet !== true) warning(path, `has no effect: ${foreign.because}`)
    return
  }
  const { instead, unless = isOff, isSecret = false } = foreign
  const got = isSecret ? showType(value) : show(value)
  if (unless(value)) return
  if (mayIgnore?.(path) === true) warning(path, 'ignored, as --allow-ignored says')
  else problem(path, `expected no such key, got ${got}; ${instead}, or run with --allow-ignored ${nameOf(path)}`)
}

/** A key without what tells tables of one array apart: `runners.autoscaler.vm_isolation`. */
export function nameOf(path: string): string {
  return path.replaceAll(/\[\d+\]/g, '')
}

/**
 * One pair of brackets opens a table, two open the next item of an array of tables. Headers name no items:
 * `runners[0].autoscaler` is `runners.autoscaler` there.
 */
function headerHint(header: string): string {
  return `; did you mean ${header.replace(/\[\d+\]/g, '')}?`
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (value instanceof Date) return 'a date'
  if (typeof value === 'object') return 'a table'
  if (typeof value !== 'string') return String(value as number | boolean | undefined)
  return value.length > 60
    ? `${JSON.stringify(value.slice(0, 60))}… (${value.length} characters)`
    : JSON.stringify(value)
}

/** A value that may be secret, as a message shows it: what it is, not what it says. */
export function showType(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty string' : `a string of ${value.length} characters`
  return typeof value === 'object' ? show(value) : `a ${typeof value}`
}
