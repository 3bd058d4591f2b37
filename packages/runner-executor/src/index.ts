/**
 * What executors share: the way of a job to its place, and back.
 *
 * @module
 */

export { reconnectMs, SlotConnection, type SlotConnectionOptions } from './connect/slot-connection.ts'
export type { JobExecutor, PreparedPlace, PrepareOptions } from './job-executor.ts'
export { LeftPlaces, type LeftPlacesOptions, type ResumeOptions } from './places/left-places.ts'
export { LentPlace, type LentPlaceOptions, type SweptEnvironment } from './places/lent-place.ts'
export {
  type Admitted,
  type FindOptions,
  PlaceFinder,
  type PlaceFinderOptions,
  type Refusal,
} from './places/place-finder.ts'
export { runStoppable, type StoppableOptions } from './places/run-stoppable.ts'
export { Sweeps } from './places/sweeps.ts'
export { ConcurrentIds } from './slots/concurrent-ids.ts'
export { WaitLines, type WaitLinesOptions } from './slots/wait-lines.ts'
