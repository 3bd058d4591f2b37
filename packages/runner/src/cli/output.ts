import type { LogSink } from '../logging/log-sink.ts'

/** Where a command writes, a line at a time. */
export interface Output {
  /** What was asked for. */
  readonly out: (line: string) => void
  /** Problems and progress. */
  readonly err: (line: string) => void
  /** Opens what takes the log of a process that stays. Default: its lines go to `err`. */
  readonly openLog?: () => LogSink
  /** The log goes to a terminal that shows colors. Default false. */
  readonly hasColors?: boolean
}
