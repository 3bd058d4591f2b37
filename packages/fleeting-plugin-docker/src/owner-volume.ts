import { createHash } from 'node:crypto'
import { type GroupOwner, readOwner, writtenOwner } from '@runner-core/fleeting'
import type { Engine } from './engine.ts'

const ownedFleet = 'runner-core.owned-fleet'
const owner = 'runner-core.owner'

/**
 * Who has a fleet's containers, as labels of an empty volume. Docker changes no labels, so each claim makes a volume of
 * its own and then removes the others: between the two both are owners, and the one before sees it.
 */
export class OwnerVolume {
  readonly #engine: Engine
  readonly #fleet: string

  constructor(engine: Engine, fleet: string) {
    this.#engine = engine
    this.#fleet = fleet
  }

  async owners(signal: AbortSignal): Promise<readonly GroupOwner[]> {
    return (await this.#volumes(signal)).flatMap(({ Labels }) => readOwner(Labels[owner]) ?? [])
  }

  async claim(claimed: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    const before = await this.#volumes(signal)
    const written = claimed === undefined ? undefined : writtenOwner(claimed)
    const name = written === undefined ? undefined : nameOf(this.#fleet, written)
    if (name !== undefined)
      await this.#engine.createVolume(name, { [ownedFleet]: this.#fleet, [owner]: written! }, signal)
    for (const { Name } of before) if (Name !== name) await this.#engine.removeVolume(Name, signal)
  }

  #volumes(signal: AbortSignal): ReturnType<Engine['listVolumes']> {
    return this.#engine.listVolumes(`${ownedFleet}=${this.#fleet}`, signal)
  }
}

function nameOf(fleet: string, written: string): string {
  return `runner-core-owner-${createHash('sha256').update(`${fleet}\n${written}`).digest('hex').slice(0, 16)}`
}
