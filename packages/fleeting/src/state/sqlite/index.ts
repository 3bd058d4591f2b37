/**
 * State that survives its process, in SQLite. Needs a Node with `node:sqlite` (22.15 or newer); the rest of the package
 * does not.
 *
 * @module
 */
export { ProcessLock } from './process-lock.ts'
export { SqliteStateStore, type SqliteStateStoreOptions } from './sqlite-state-store.ts'
