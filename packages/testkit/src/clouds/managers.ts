import { type Clock, type InstanceGroup, silentLogger } from '@runner-core/fleeting'
import { Provisioner, type ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import { type FleetLease, MemoryStateStore } from '@runner-core/fleeting/state'
import { type CloudControls, seededRandom } from '@runner-core/fleeting/testing'
import { SteppedTime } from './stepped-time.ts'

/** A cloud's fake, and groups on it. */
export interface ManagedCloud {
  readonly fake: { readonly controls: CloudControls }
  group(clock: Clock): InstanceGroup
}

/** A fleet whose managers die without a word, and whose journal stays. */
export class Managers {
  readonly time = new SteppedTime()
  readonly #store = new MemoryStateStore()
  #lease: FleetLease | undefined

  /** The next manager; the one before has been killed. With a `lease` of its own it is another one beside it. */
  async start(cloud: ManagedCloud, options: Partial<ProvisionerOptions> = {}): Promise<Provisioner> {
    const { clock } = this.time
    if (options.lease === undefined) this.#lease = await this.#store.lease('test', { takeover: true })
    const group = this.time.watch(cloud.group(clock), cloud.fake.controls)
    const rest = { clock, random: seededRandom(1), logger: silentLogger, ...(this.#lease && { lease: this.#lease }) }
    const never = new AbortController().signal
    return this.time.until(Provisioner.start({ group, unknownInstances: 'remove', ...rest, ...options }, never))
  }
}
