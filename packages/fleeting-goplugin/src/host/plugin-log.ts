import type { Logger } from '@runner-core/fleeting'

type Level = keyof Logger

const levels: Readonly<Record<string, Level>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
}

/** Longer lines are logged in part. */
const longestLine = 64 * 1024

/**
 * One line of a plugin's standard error as a log entry: hclog's JSON with its level and fields, anything else as it is.
 */
export function parseLogLine(line: string): {
  readonly level: Level
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
} {
  const entry = parseJson(line)
  if (entry === undefined) return { level: plainLevel(line), message: line, fields: {} }
  const { '@level': level, '@message': message, '@timestamp': at, '@module': module, ...rest } = entry
  const fields = {
    // Under names of its own: a plugin's field may be called like one of ours.
    ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [`plugin_${name}`, value])),
    ...(typeof module === 'string' && { plugin_module: module }),
    ...(typeof at === 'string' && { plugin_time: at }),
  }
  return { level: levels[String(level)] ?? 'debug', message: typeof message === 'string' ? message : line, fields }
}

function parseJson(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const entry: unknown = JSON.parse(line)
    return typeof entry === 'object' && entry !== null && '@message' in entry
      ? (entry as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function plainLevel(line: string): Level {
  if (/^(?:panic|fatal error):/.test(line)) return 'error'
  const [, tag = ''] = /^\[(TRACE|DEBUG|INFO|WARN|ERROR)\]/.exec(line) ?? []
  return levels[tag.toLowerCase()] ?? 'debug'
}

/** Cuts a stream into lines; what is too long comes cut, the rest of it is dropped. */
export class LineSplitter {
  readonly #onLine: (line: string) => void
  #rest = ''
  #isSkipping = false
  readonly #decoder = new TextDecoder()

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  write(chunk: Uint8Array): void {
    const parts = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = parts.pop() as string
    for (const part of parts) {
      if (!this.#isSkipping && part !== '') this.#onLine(part.replace(/\r$/, '').slice(0, longestLine))
      this.#isSkipping = false
    }
    if (this.#rest.length <= longestLine) return
    if (!this.#isSkipping) this.#onLine(this.#rest.slice(0, longestLine))
    this.#isSkipping = true
    this.#rest = ''
  }

  /** The stream is over. */
  end(): void {
    if (this.#rest !== '' && !this.#isSkipping) this.#onLine(this.#rest)
    this.#rest = ''
  }
}
