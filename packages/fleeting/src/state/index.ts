/**
 * Where intents and facts about a fleet are kept: the contract of a state store, and the journal over it.
 *
 * @module
 */

/** Where the state of a fleet is on disk. */
export { fleetDirectory } from './fleet-directory.ts'
export { isFenced, Journal, type JournalOptions, type JournalTrouble, type KeepOptions } from './journal.ts'
export { MemoryStateStore } from './memory-state-store.ts'
/** The records of one layer. */
export { type RecordKind, StateNamespace, type StateNamespaceOptions } from './state-namespace.ts'
export {
  FencedError,
  type FleetLease,
  type FleetOwner,
  type JsonValue,
  type LeaseOptions,
  type StateChange,
  StateError,
  type StateErrorCode,
  type StateRecord,
  type StateStore,
} from './state-store.ts'
