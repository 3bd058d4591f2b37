/**
 * For tests of plugins and of programs that embed the libraries: a clock that stands still, a cloud in memory, and the
 * conformance suite.
 *
 * @module
 */

/** The conformance suite. */
export type { CloudCall, CloudControls, CloudFault, CloudFaultKind, FaultyCall } from './conformance/cloud-controls.ts'
export type { ConformanceCase, ConformanceContext } from './conformance/conformance-case.ts'
export type { ConformanceCloud, CreateConformanceCloud } from './conformance/conformance-cloud.ts'
export type { ConformanceOptions, MakeGroup } from './conformance/conformance-options.ts'
export { type ConformanceOutcome, ConformanceRun } from './conformance/conformance-run.ts'
export {
  type ConformanceReport,
  conformanceCases,
  type RunCasesOptions,
  runCases,
  runConformance,
} from './conformance/run-conformance.ts'
/** Time and chance that a test controls. */
export { ManualClock } from './manual-clock.ts'
export type { MemoryCall, MemoryFault, MemoryOperation } from './memory-calls.ts'
/** A cloud in memory. */
export { type MemoryCommandResult, MemoryConnection, type MemoryShell, simpleShell } from './memory-connection.ts'
export { MemoryGroup, type MemoryGroupOptions } from './memory-group.ts'
export { seededRandom } from './seeded-random.ts'
export { SkippingClock } from './skipping-clock.ts'
