import type { Logger } from '@runner-core/fleeting'
import type { Settings } from '../config/settings.ts'
import { secretsOf } from '../logging/configured-secrets.ts'
import { countLines } from '../logging/count-lines.ts'
import { createLogger } from '../logging/create-logger.ts'
import type { LogSink } from '../logging/log-sink.ts'
import type { Output } from './output.ts'

export interface ProcessLog {
  /** Never throws. */
  readonly logger: Logger
  /** Absent: lines go where the command's other output goes. */
  readonly sink?: LogSink
}

/** The log of a process that stays: it reports lines that were lost once there is room for them. */
export function openProcessLog(settings: Settings, output: Output): ProcessLog {
  const sink = output.openLog?.()
  const created = createLogger({
    level: settings.logLevel,
    format: settings.logFormat,
    secrets: secretsOf(settings),
    hasColors: output.hasColors ?? false,
    write: (line) => (sink === undefined ? output.err(line.trimEnd()) : sink.line(line)),
  })
  const { logger } = countLines(created, () => sink?.countLost())
  if (sink === undefined) return { logger }
  sink.onRoom = ({ lost, code }) =>
    logger.error({ lines: lost, code }, 'log lines were lost: they could not be written')
  return { logger, sink }
}
