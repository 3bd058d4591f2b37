/**
 * What the libraries log to. A pino logger fits as it is. Messages are stable; what varies stands in the fields. Their
 * names are snake_case; durations end in `_seconds` and are rounded to the millisecond; an error stands under `err`,
 * where pino looks for it.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (): void => {}

/** Logs nothing: the default of every library here. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
