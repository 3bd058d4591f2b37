import type { Logger } from '@runner-core/fleeting'
import type { LogLevel } from '../config/settings.ts'

/** A logger that counts what it is asked to write, by level. */
export function countLines(logger: Logger): { readonly logger: Logger; readonly counts: Readonly<Record<LogLevel, number>> } {
  const counts = { debug: 0, info: 0, warn: 0, error: 0 }
  const counted =
    (level: LogLevel): Logger[LogLevel] =>
    (fields, message) => {
      counts[level] += 1
      logger[level](fields, message)
    }
  return { logger: { debug: counted('debug'), info: counted('info'), warn: counted('warn'), error: counted('error') }, counts }
}
