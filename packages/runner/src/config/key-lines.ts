import { parse } from 'smol-toml'
import { isTable } from './tables/schema.ts'

/**
 * The line (from 1) of each table header and key of a valid TOML document, by path as problems name it:
 * `runners[0].url`. A statement is the shortest run of lines that the parser takes by itself, so strings and arrays
 * over several lines are told from keys.
 */
export function keyLines(toml: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  const lengths = new Map<string, number>()
  let base = ''
  let statement = ''
  let start = 1
  toml.split('\n').forEach((line, index) => {
    if (statement === '') start = index + 1
    statement += `${line}\n`
    const parsed = tryParse(statement)
    if (parsed === undefined) return
    const header = /^\s*\[/.test(statement)
    statement = ''
    const path = header ? headerPath(parsed, lengths) : keyPath(parsed, base)
    if (path === undefined) return
    if (header) base = path
    if (!found.has(path)) found.set(path, start)
  })
  return found
}

/** The line of `path`, or of the nearest thing around it that has one. */
export function lineOf(path: string, lines: ReadonlyMap<string, number>): number | undefined {
  const line = lines.get(path)
  if (line !== undefined) return line
  const around = path.replace(/\.?[^.[\]]+$|\[\d+\]$/, '')
  return around === path ? undefined : lineOf(around, lines)
}

function tryParse(toml: string): Record<string, unknown> | undefined {
  try {
    return parse(toml)
  } catch {
    return undefined
  }
}

/** `[[a.b]]` opens the next item of `a.b`; `[a.b]` lies in the last item of `a`, when that is an array. */
function headerPath(parsed: Record<string, unknown>, lengths: Map<string, number>): string | undefined {
  let path = ''
  let value: unknown = parsed
  while (isTable(value) && Object.keys(value).length === 1) {
    const key = Object.keys(value)[0] as string
    path = join(path, key)
    value = value[key]
    if (Array.isArray(value)) {
      const index = lengths.get(path) ?? 0
      lengths.set(path, index + 1)
      return `${path}[${index}]`
    }
    const length = lengths.get(path)
    if (length !== undefined) path = `${path}[${length - 1}]`
  }
  return path === '' ? undefined : path
}

/** `a = 1` and `a.b = 1`: the path of the first key counts, what is inside has no line of its own. */
function keyPath(parsed: Record<string, unknown>, base: string): string | undefined {
  const key = Object.keys(parsed)[0]
  return key === undefined ? undefined : join(base, key)
}

function join(base: string, key: string): string {
  return base === '' ? key : `${base}.${key}`
}
