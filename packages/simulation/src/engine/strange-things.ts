import { fleetLabelOf, ownSystemId } from '../container-settings.ts'
import type { EngineThing } from './sim-engine.ts'

const ofFleet = (fleet: string, attempt: string, expires: string): EngineThing['labels'] => ({
  'dev.runner-core.fleet': fleet,
  'dev.runner-core.attempt': attempt,
  'dev.runner-core.job': '1',
  'dev.runner-core.expires': expires,
})
const ofOther = ofFleet(fleetLabelOf('s_other'), '0123456789abcdef', '2100-01-01T00:00:00.000Z')

/** What others have on each Engine, and nobody here may remove. */
export const strangeThings: readonly EngineThing[] = [
  { kind: 'container', name: 'database', labels: {} },
  { kind: 'volume', name: 'data', labels: {} },
  { kind: 'network', name: 'backend', labels: {} },
  // Of another installation with the same configuration, on the same Engine.
  { kind: 'container', name: 'runner-core-0123456789abcdef-job', labels: ofOther },
  { kind: 'volume', name: 'runner-of-others-cache', labels: ofOther },
  { kind: 'network', name: 'runner-core-0123456789abcdef', labels: ofOther },
  // From an image that a job made of its own container.
  {
    kind: 'container',
    name: 'application',
    labels: ofFleet(fleetLabelOf(ownSystemId), 'fedcba9876543210', '1970-01-01T00:00:00.000Z'),
  },
]
