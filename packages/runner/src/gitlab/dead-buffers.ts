import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from '@runner-core/fleeting'

/** How much may be moved between two looks. */
const lookEveryBytes = 4 * 1024 * 1024
/** What lies outside of the engine's heap is worth collecting from here on. */
const worthCollectingBytes = 32 * 1024 * 1024
/** With more than this on the heap a collection would hold everybody up, and what is saved is little beside it. */
const cheapHeapBytes = 64 * 1024 * 1024

/** A collection of a small heap takes some 10 ms. */
const betweenCollectionsMs = 200

let collect: (() => void) | undefined
let sinceLook = 0
let collectedAt = Number.NEGATIVE_INFINITY

/**
 * To be told of bytes that pass through as buffers which are dead soon. The engine lets 64 MB of such lie outside of its heap before it looks for them, half as much again as a manager at rest needs; where its heap is small they
 * are collected before.
 */
export function passed(bytes: number, clock: Pick<Clock, 'now'>): void {
  sinceLook += bytes
  if (sinceLook < lookEveryBytes) return
  sinceLook = 0
  if (clock.now() - collectedAt < betweenCollectionsMs) return
  const { external_memory: external, used_heap_size: heap } = getHeapStatistics()
  if (external < worthCollectingBytes || heap > cheapHeapBytes) return
  collectedAt = clock.now()
  collect ??= collector()
  collect()
}

function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
