import { type Clock, describeError, type Logger } from '@runner-core/fleeting'

/** Longer lines hosts take for no JSON at all: their buffer is 64 KiB. */
const longestLine = 60_000
/** Hosts end in a panic when one of these is no text. */
const reserved = new Set(['@level', '@message', '@timestamp', '@module'])

/** A logger whose lines are what hosts of go-plugin expect on standard error: hclog's JSON. */
export function hclogLogger(write: (line: string) => void, clock: Clock): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      const entry = { '@level': level, '@message': message, '@timestamp': timestamp(clock.wallTime()) }
      const line = asJson({ ...entry, ...shown(fields) })
      const isShort = line !== undefined && Buffer.byteLength(line) <= longestLine
      write(
        `${isShort ? line : JSON.stringify({ ...entry, '@message': message.slice(0, longestLine / 8), shortened: true })}\n`,
      )
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Undefined: what a plugin gave is no JSON, such as a ring. */
function asJson(entry: object): string | undefined {
  try {
    return JSON.stringify(entry, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  } catch {
    return undefined
  }
}

function shown(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => !reserved.has(name))
      .map(([name, value]) => [name, value instanceof Error ? describeError(value) : value]),
  )
}

/** With microseconds, as hclog has them. */
function timestamp(wallTime: number): string {
  return new Date(wallTime).toISOString().replace('Z', '000Z')
}
