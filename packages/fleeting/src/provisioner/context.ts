import type { Clock, Random } from '../contract/clock.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import type { GroupCaller } from './calls/group-caller.ts'
import type { IntentJournal } from './intent-journal.ts'
import type { ProvisionerObserver } from './observer.ts'
import type { ProvisionerSettings } from './settings.ts'

/** What the parts of one provisioner share. */
export interface ProvisionerContext {
  readonly group: InstanceGroup
  readonly caller: GroupCaller
  readonly intents: IntentJournal
  readonly settings: ProvisionerSettings
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly observer: ProvisionerObserver
  /** Asks for another pass, as soon as whoever runs now is done. */
  wake(): void
}
