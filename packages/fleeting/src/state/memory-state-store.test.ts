import { describe } from 'vitest'
import { stateStoreCases } from '../../test/state-store-cases.ts'
import { MemoryStateStore } from './memory-state-store.ts'

describe('MemoryStateStore', () => {
  stateStoreCases(() => {
    // Memory has no other processes: one store stands for all.
    const store = new MemoryStateStore()
    return () => ({ lease: (...args) => store.lease(...args), close: () => store.close() })
  })
})
