/**
 * For tests of plugins and of programs that embed the libraries: a clock that stands still, a cloud in memory, and the conformance suite.
 *
 * @module
 */

/** Time and chance that a test controls. */
export { ManualClock } from './manual-clock.ts'
/** A cloud in memory. */
export { type MemoryCommandResult, MemoryConnection, type MemoryShell, simpleShell } from './memory-connection.ts'
export { type MemoryCall, type MemoryFault, MemoryGroup, type MemoryGroupOptions, type MemoryOperation } from './memory-group.ts'
export { seededRandom } from './seeded-random.ts'
