import type { DemandSource } from './demand-source.ts'

/** The part of a p-queue that is looked at. */
export interface PQueueLike {
  /** Tasks that wait to be started. */
  readonly size: number
  on(event: 'add' | 'active', listener: () => void): unknown
  off(event: 'add' | 'active', listener: () => void): unknown
}

/**
 * Demand from the tasks that wait in a p-queue. Tasks that have started are none of it: they reserve and acquire.
 * Let the queue's concurrency be the number of slots that there can be at most.
 */
export function pQueueDemand(queue: PQueueLike, name = 'p-queue'): DemandSource {
  return {
    name,
    depth: () => queue.size,
    onChange(wake) {
      queue.on('add', wake)
      queue.on('active', wake)
      return () => {
        queue.off('add', wake)
        queue.off('active', wake)
      }
    },
  }
}
