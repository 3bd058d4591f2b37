import { describeError } from '@runner-core/fleeting'
import { type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import type { LogFormat, LogLevel } from '../config/settings.ts'
import { printable } from './printable.ts'
import { createRedactor } from './redact.ts'
import { textLine } from './text-line.ts'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** Never written, wherever they turn up. */
  readonly secrets: readonly string[]
  /** The lines go to a terminal that shows colors. Without effect on `json`. Default false. */
  readonly hasColors?: boolean
  /** Takes each line, with its end. */
  readonly write: (line: string) => void
}

/** A pino logger with readable level names and times, that hides secrets. */
export function createLogger({ level, format, secrets, hasColors = false, write }: LoggerOptions): Logger {
  const redact = createRedactor(secrets)
  const written =
    format === 'json'
      ? (line: string): string => `${printable(redact(line).trimEnd())}\n`
      : (line: string): string => textLine(redact(line), hasColors)
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        // The libraries call it as pino does, so that a plain pino logger shows it.
        log: ({ err, ...fields }) => notTheLines(err === undefined ? fields : { ...fields, error: err }),
      },
      serializers: { error: errorFields },
    },
    { write: (line: string) => write(written(line)) },
  )
}

/** What a line says of itself is not a plugin's to say. */
function notTheLines(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('level' in fields || 'time' in fields || 'msg' in fields)) return fields
  const own = new Set(['level', 'time', 'msg'])
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [own.has(key) ? `${key}_field` : key, value]))
}

/** pino's own has the causes in the message, too, but twice where a message repeats its cause. */
function errorFields(error: unknown): unknown {
  return error instanceof Error ? { ...stdSerializers.err(error), message: describeError(error) } : error
}
