/** What `docker run --gpus` asks for. */
export interface GpuRequest {
  /** -1: all. Absent where devices are named. */
  readonly count?: number
  readonly deviceIds: readonly string[]
  readonly driver?: string
  readonly capabilities: readonly string[]
  readonly options: Readonly<Record<string, string>>
}

/** `all`, a number, or fields `key=value` as the `docker` command has them; undefined: it is none of these. */
export function parseGpus(text: string): GpuRequest | undefined {
  const fields = commaSeparated(text)
  if (fields === undefined || fields.length === 0) return undefined
  const given = new Map<string, string>()
  for (const field of fields) {
    const split = field.indexOf('=')
    const [key, value] = split === -1 ? ['count', field] : [field.slice(0, split), field.slice(split + 1)]
    if (!knownKeys.has(key) || given.has(key)) return undefined
    given.set(key, value)
  }
  const count = parseCount(given.get('count'))
  if (count === false) return undefined
  const deviceIds = given.get('device')?.split(',') ?? []
  const options = parseOptions(given.get('options') ?? '')
  if (options === undefined || (count !== undefined && deviceIds.length > 0)) return undefined
  const driver = given.get('driver')
  const asked = count ?? (deviceIds.length === 0 ? 1 : undefined)
  return {
    ...(asked !== undefined && { count: asked }),
    deviceIds,
    ...(driver !== undefined && { driver }),
    capabilities: [...(given.get('capabilities')?.split(',') ?? []), 'gpu'],
    options,
  }
}

const knownKeys: ReadonlySet<string> = new Set(['count', 'device', 'driver', 'capabilities', 'options'])

function parseCount(text: string | undefined): number | undefined | false {
  if (text === undefined) return undefined
  if (text === 'all') return -1
  return /^(-1|\d{1,6})$/.test(text) ? Number(text) : false
}

function parseOptions(text: string): Record<string, string> | undefined {
  const pairs = text === '' ? [] : text.split(',').map((pair) => /^([^=]+)=(.*)$/s.exec(pair))
  if (pairs.includes(null)) return undefined
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] as string, pair?.[2] as string]))
}

/** One line of comma-separated values; a field in double quotes may hold commas. */
function commaSeparated(line: string): readonly string[] | undefined {
  const trimmed = line.trim()
  if (trimmed === '') return []
  const fields: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  do {
    const match = field.exec(trimmed)
    if (match === null) return undefined
    fields.push(match[1]?.replaceAll('""', '"') ?? (match[2] as string))
    if (match[3] === '') return fields
  } while (field.lastIndex <= trimmed.length)
  return undefined
}
