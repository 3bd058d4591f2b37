import { StateError, type StateErrorCode } from '../state-store.ts'

/** By SQLite's primary result code. */
const codes: ReadonlyMap<number, StateErrorCode> = new Map([
  [5, 'busy'],
  [6, 'busy'],
  [11, 'corrupt'],
  [13, 'disk_full'],
  [26, 'corrupt'],
])

const advice: Readonly<Record<StateErrorCode, string>> = {
  corrupt:
    'cannot be read; nothing was changed. Restore a copy, or move the directory away: running instances are then reported as unknown',
  newer_schema: 'was written by a newer version',
  disk_full: 'has no space left on its disk',
  busy: 'is held by another process',
  unavailable: 'cannot be used',
  wrong_key: 'is encrypted under another key',
  closed: 'was closed',
  gone: 'was removed or replaced',
  backlog: 'cannot be written fast enough',
}

/** Whether the disk has no room: SQLite's own word, or the system's. */
export function isFull(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: unknown; code?: unknown }
  return (typeof errcode === 'number' && (errcode & 0xff) === 13) || code === 'ENOSPC'
}

/** What went wrong with the state file, in the closed vocabulary. */
export function asStateError(file: string, error: unknown): StateError {
  if (error instanceof StateError) return error
  const { errcode, code: systemCode, message } = error as { errcode?: unknown; code?: unknown; message?: unknown }
  const primary = typeof errcode === 'number' ? errcode & 0xff : undefined
  const code =
    (primary === undefined ? undefined : codes.get(primary)) ?? (systemCode === 'ENOSPC' ? 'disk_full' : 'unavailable')
  return new StateError(code, `state file ${file} ${advice[code]}: ${String(message)}`, { cause: error })
}
