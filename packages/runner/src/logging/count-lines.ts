import type { Logger } from '@runner-core/fleeting'
import type { LogLevel } from '../config/settings.ts'

/** A logger that counts what it is asked to write, by level, and never throws. `onLost`: `logger` threw on a line. */
export function countLines(
  logger: Logger,
  onLost: () => void = () => {},
): { readonly logger: Logger; readonly counts: Readonly<Record<LogLevel, number>> } {
  const counts = { debug: 0, info: 0, warn: 0, error: 0 }
  const counted =
    (level: LogLevel): Logger[LogLevel] =>
    (fields, message) => {
      counts[level] += 1
      try {
        logger[level](fields, message)
      } catch {
        onLost()
      }
    }
  return {
    logger: { debug: counted('debug'), info: counted('info'), warn: counted('warn'), error: counted('error') },
    counts,
  }
}
