import { isIP } from 'node:net'
import { parseGoDuration } from '@runner-core/job'
import { compilePeriod } from '@runner-core/taskscaler'
import { type Kind, leaf, show, showType } from './schema.ts'

/** An inclusive range; no `max`: none. */
export interface Bounds {
  readonly min: number
  readonly max?: number
}

function range(noun: string, { min, max }: Bounds): string {
  return max === undefined ? `${noun} ≥ ${min}` : `${noun} between ${min} and ${max}`
}

function within(value: unknown, { min, max = Number.MAX_VALUE }: Bounds): value is number {
  return typeof value === 'number' && value >= min && value <= max
}

export function wholeNumber(bounds: Bounds): Kind<number> {
  return leaf(range('a whole number', bounds), (value) =>
    Number.isInteger(value) && within(value, bounds) ? (value as number) : undefined,
  )
}

/** A whole number ≥ 0; 0 means that there is no bound, and the value is then `Infinity`. */
export const countOrUnbounded: Kind<number> = leaf('a whole number ≥ 0', (value) =>
  Number.isInteger(value) && within(value, { min: 0 }) ? value || Number.POSITIVE_INFINITY : undefined,
)

export function anyNumber(bounds: Bounds): Kind<number> {
  return leaf(range('a number', bounds), (value) => (within(value, bounds) ? value : undefined))
}

/** Launches per second. As upstream: 0 means 100, -1 no limit (the value is then `Infinity`). */
export const throttleLimit: Kind<number> = leaf('a number ≥ 0, or -1 for no limit', (value) =>
  value === -1 ? Number.POSITIVE_INFINITY : within(value, { min: 0 }) ? value || 100 : undefined,
)

/** KiB; the value is in bytes. */
export const kibibytes: Kind<number> = leaf('a whole number ≥ 1', (value) =>
  Number.isInteger(value) && within(value, { min: 1 }) ? (value as number) * 1024 : undefined,
)

const unitBytes = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }

/** A number with a unit of 1024 bytes and its powers; the value is in bytes. */
export const size: Kind<number> = leaf('a size such as "100MB" (KB, MB or GB)', (value) => {
  const [, digits, unit] = (typeof value === 'string' && /^(\d{1,9}(?:\.\d{1,3})?) ?(KB|MB|GB)$|^0$/.exec(value)) || []
  if (digits === undefined) return value === '0' ? 0 : undefined
  return Math.ceil(Number(digits) * unitBytes[unit as keyof typeof unitBytes])
})

export const flag: Kind<boolean> = leaf('true or false', (value) => (typeof value === 'boolean' ? value : undefined))

/** What a shell runs: `''` is nothing. It may hold anything but NUL, which no shell can read. */
export const shellText: Kind<string> = leaf('a string of shell commands', (value) =>
  typeof value === 'string' && !value.includes('\0') ? value : undefined,
)

export const nonEmptyText: Kind<string> = leaf('a non-empty string', nonEmptyString)

/** The same, with variables of this process in it: `$NAME` and `${NAME}`. One that is not set is a problem. */
export function withVariables(kind: Kind<string>): Kind<string> {
  return {
    ...kind,
    read(value, context) {
      if (typeof value !== 'string') return kind.read(value, context)
      const missing = new Set<string>()
      const text = value.replaceAll(/\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/g, (_, bare, braced) => {
        const name = String(bare ?? braced)
        const found = context.environment?.[name]
        if (found === undefined) missing.add(name)
        return found ?? ''
      })
      for (const name of missing)
        context.problem(context.path, `expected the environment variable ${name} to be set, got nothing`)
      return missing.size > 0 ? undefined : kind.read(text, context)
    },
  }
}

/** As it stands in a URL, without the port; IPv6 addresses without their brackets. */
export const hostName: Kind<string> = leaf('a host name or an address, without a port', (value) =>
  typeof value === 'string' && (/^[A-Za-z0-9_.-]+$/.test(value) || isIP(value) !== 0) ? value.toLowerCase() : undefined,
)

/** The same, which no message may show. */
export const password: Kind<string> = leaf(nonEmptyText.expected, nonEmptyString, showType)

/** The same, on one line: a line break would end up in a header. */
export const secretText: Kind<string> = leaf(
  'a non-empty string on one line',
  (value) => (typeof value === 'string' && /^[^\r\n\0]+$/.test(value) ? value : undefined),
  showType,
)

function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return leaf(words.map((word) => JSON.stringify(word)).join(' or '), (value) => words.find((word) => word === value))
}

/** A Go duration; the value is in milliseconds. */
export const duration: Kind<number> = leaf('a duration such as "20m0s"', durationMs)

/** The same, but not 0. */
export const positiveDuration: Kind<number> = leaf(
  'a duration above 0 such as "20m0s"',
  (value) => durationMs(value) || undefined,
)

function durationMs(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? parseGoDuration(value) : undefined
  return within(ms, { min: 0 }) ? ms : undefined
}

/**
 * A number of seconds, or a Go duration; the value is in milliseconds. 0 means `zeroMeans` seconds, as in the files
 * that `gitlab-runner register` writes.
 */
export function seconds({ zeroMeans }: { readonly zeroMeans: number }): Kind<number> {
  return leaf('a number of seconds ≥ 0, or a duration', (value) => {
    const ms = within(value, { min: 0 }) ? value * 1_000 : durationMs(value)
    return ms === 0 ? zeroMeans * 1_000 : ms
  })
}

export const httpUrl: Kind<string> = leaf(
  'an http or https URL without credentials',
  (value) => {
    if (typeof value !== 'string' || !URL.canParse(value)) return undefined
    const url = new URL(value)
    return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? value : undefined
  },
  hiddenLogin,
)

/** What is no URL may hold credentials all the same. */
function hiddenLogin(value: unknown): string {
  return show(typeof value === 'string' ? value.replace(/^([^/]*\/\/)?.*@/s, '$1[hidden]@') : value)
}

/** An address that git fetches from; `''`: none. */
export const gitUrl: Kind<string> = leaf(
  'an http, https, ssh, git or file URL without a password',
  (value) => {
    if (value === '') return value
    if (typeof value !== 'string' || !URL.canParse(value) || /[\s\0]/.test(value)) return undefined
    const url = new URL(value)
    const mayHaveUser = url.protocol === 'ssh:'
    return /^(https?|ssh|git|file):$/.test(url.protocol) && url.password === '' && (mayHaveUser || url.username === '')
      ? value
      : undefined
  },
  hiddenLogin,
)

/** `host` or `host:port`, without a scheme. */
export const hostAddress: Kind<string> = leaf('a host, or host:port, without a scheme', (value) =>
  typeof value === 'string' &&
  /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(value) &&
  URL.canParse(`http://${value}`)
    ? value
    : undefined,
)

export const bucketName: Kind<string> = leaf('the name of a bucket: letters, digits and ._-', (value) =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9._-]*$/i.test(value) ? value : undefined,
)

/** Where to listen: `host:port`, `:port` for all interfaces, `[::1]:port`. */
export interface ListenAddress {
  readonly host?: string
  /** 0: any free port. */
  readonly port: number
}

export const listenAddress: Kind<ListenAddress> = leaf('an address such as "127.0.0.1:9252" or ":9252"', (value) => {
  const match = typeof value === 'string' ? /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]*)):(\d{1,5})$/i.exec(value) : null
  if (!match || Number(match[3]) > 65_535) return undefined
  const host = match[1] ?? match[2]
  return { port: Number(match[3]), ...(host && { host }) }
})

export const timeZone: Kind<string> = leaf('an IANA time zone such as "Europe/Berlin"', (value) => {
  if (typeof value !== 'string') return undefined
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return value
  } catch {
    return undefined
  }
})

export const cronPeriod: Kind<string> = leaf('a cron expression of five fields', cronExpression)

/** The same, or the seven fields of GitLab Runner's older keys, as far as they say the same; the value has five. */
export const cronPeriodOrSeven: Kind<string> = leaf(
  'a cron expression of five fields, or of seven with * for seconds and years',
  (value) => cronExpression(typeof value === 'string' ? value.replace(/^\*\s+(\S+(?:\s+\S+){4})\s+\*$/, '$1') : value),
)

function cronExpression(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  try {
    compilePeriod(value)
    return value
  } catch {
    return undefined
  }
}

export const pattern: Kind<RegExp> = leaf('a regular expression', (value) => {
  if (typeof value !== 'string') return undefined
  try {
    return new RegExp(value)
  } catch {
    return undefined
  }
})

/** `NAME=value`, for the jobs' environment. The message never shows it: the value may be secret. */
export const assignment: Kind<{ readonly key: string; readonly value: string }> = leaf(
  '"NAME=value"',
  (value) => {
    const match = typeof value === 'string' ? /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(value) : null
    return match ? { key: match[1] as string, value: match[2] as string } : undefined
  },
  showType,
)

/** A free table, handed on as JSON. */
export const anyTable: Kind<Readonly<Record<string, unknown>>> = leaf('a table', (value) =>
  show(value) === 'a table' ? (JSON.parse(JSON.stringify(value)) as Record<string, unknown>) : undefined,
)

/** Path of a file that can be read now; the value is its path as configured. */
export const readableFile: Kind<string> = fileKind((path) => path)

/** Path of a file; the value is what it holds. */
export const fileContent: Kind<string> = fileKind((_path, content) => content)

function fileKind(take: (path: string, content: string) => string): Kind<string> {
  const expected = 'the path of a readable file'
  return {
    expected,
    read(value, { path, problem, readFile }) {
      if (typeof value !== 'string' || value === '') {
        problem(path, `expected ${expected}, got ${showPath(value)}`)
        return undefined
      }
      try {
        return take(value, readFile(value))
      } catch (error) {
        problem(
          path,
          `expected ${expected}, got ${showPath(value)} (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
        )
        return undefined
      }
    },
  }
}

/** A path, unless it is what should be in the file: keys and certificates have lines. */
function showPath(value: unknown): string {
  return typeof value === 'string' && !value.includes('\n') ? show(value) : showType(value)
}
