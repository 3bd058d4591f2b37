import { getHeapStatistics } from 'node:v8'

/** What the engine tells and does. */
export interface Engine {
  /** What lies outside of its heap, dead or alive: bytes. */
  outsideBytes(): number
  /** Of the young only, which costs a millisecond, or of all, which costs ten. */
  collect(what: 'minor' | 'major'): void
}

/** How much has to pass between two looks: bytes. */
const lookEvery = 1024 * 1024
/** What may be added outside of the heap before the young are collected. */
const maxYoung = 8 * 1024 * 1024
/** How far it may rise above the least that it was, before everything is. */
const maxAbove = 14 * 1024 * 1024

/**
 * Has buffers that nobody needs any more collected while bytes stream through. Each passes through several that live
 * for a moment; the engine knows of their bytes but hardly counts them, and lets 60 to 100 MB lie before it collects.
 * Most of them die young, so that a collection of the young every few megabytes is enough, and the others need one of
 * all now and then. What is needed for long, as by many transfers at once, costs one such collection, and is the new
 * measure then.
 */
export class BufferCollector {
  readonly #engine: Engine
  #unlooked = 0
  /** The least since everything was collected, and since anything was. */
  #least = Number.POSITIVE_INFINITY
  #leastYoung = Number.POSITIVE_INFINITY
  #collected: 'minor' | 'major' | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** So many bytes have come. */
  passed(bytes: number): void {
    this.#unlooked += bytes
    if (this.#unlooked < lookEvery) return
    this.#unlooked = 0
    const now = this.#engine.outsideBytes()
    // Only now is it known what a collection has freed: another thread does that.
    this.#least = this.#collected === 'major' ? now : Math.min(this.#least, now)
    this.#leastYoung = this.#collected === undefined ? Math.min(this.#leastYoung, now) : now
    this.#collected = now - this.#least > maxAbove ? 'major' : now - this.#leastYoung > maxYoung ? 'minor' : undefined
    if (this.#collected !== undefined) this.#engine.collect(this.#collected)
  }
}

/**
 * Of this process. Does nothing unless Node was started with `--expose-gc`, as `runner-core` is: whether a program's
 * memory is collected by hand is for the program to say.
 */
export const bufferCollector: Pick<BufferCollector, 'passed'> = ofThisProcess()

function ofThisProcess(): Pick<BufferCollector, 'passed'> {
  const collect = globalThis.gc
  if (collect === undefined) return { passed: () => {} }
  return new BufferCollector({
    outsideBytes: () => getHeapStatistics().external_memory,
    collect: (type) => collect({ type }),
  })
}
