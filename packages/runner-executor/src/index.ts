/**
 * What executors share: the way of a job to its place, and back.
 *
 * @module
 */

export { connectAgain } from './connect/connect-again.ts'
export { type DialVerdict, judgeDialFailure } from './connect/dial-failure.ts'
export { reconnectMs, SlotConnection, type SlotConnectionOptions } from './connect/slot-connection.ts'
export type { JobExecutor, PreparedPlace, PrepareOptions } from './job-executor.ts'
export { AcquireBudget, type AcquireBudgetOptions } from './slots/acquire-budget.ts'
export { ConcurrentIds } from './slots/concurrent-ids.ts'
export { WaitLines, type WaitLinesOptions } from './slots/wait-lines.ts'
