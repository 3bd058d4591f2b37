import type { Connection } from '@runner-core/fleeting'
import type { Acquisition } from '@runner-core/taskscaler'
import { Rig, type RigOptions } from '@runner-core/testkit/scaler/rig'
import { type FindOptions, PlaceFinder, type PlaceFinderOptions } from '../src/index.ts'

export interface FoundPlace {
  readonly acquisition: Acquisition
  readonly connection: Connection
}

/** A job on its way to a place. */
export interface Search {
  place?: FoundPlace
  error?: unknown
  readonly lines: string[]
  /** `Clock.now()` of each line, from the beginning on. */
  readonly linesAt: number[]
  cancel(reason: Error): void
}

/** A finder over a scaler on a cloud in memory, where a machine boots in 30 s, and where time passes on command. */
export class FinderRig {
  readonly rig: Rig
  readonly #finder: PlaceFinder

  private constructor(rig: Rig, options: Partial<PlaceFinderOptions>) {
    this.rig = rig
    this.#finder = new PlaceFinder({ scaler: rig.scaler, clock: rig.clock, ...options })
  }

  static async start(rigOptions: RigOptions = {}, options: Partial<PlaceFinderOptions> = {}): Promise<FinderRig> {
    return new FinderRig(await Rig.start(rigOptions), options)
  }

  /** Starts to search and lets promises settle, but no time pass. By default every instance admits the job. */
  async search(admit: FindOptions<FoundPlace>['admit'] = admitted): Promise<Search> {
    const { clock, scaler } = this.rig
    const canceled = new AbortController()
    const beganAt = clock.now()
    const search: Search = { lines: [], linesAt: [], cancel: (reason) => canceled.abort(reason) }
    const report = (line: string): void => {
      search.lines.push(line)
      search.linesAt.push(clock.now() - beganAt)
    }
    this.#finder.find(scaler.reserve(), { report, signal: canceled.signal, admit }).then(
      (place) => (search.place = place),
      (error) => (search.error = error),
    )
    await clock.advance(0)
    return search
  }

  /** A place, with as much time as its machine needs. */
  async place(): Promise<Acquisition> {
    const search = await this.search()
    await this.rig.clock.advance(40_000)
    if (search.place === undefined) throw search.error ?? new Error('no place within 40 s')
    return search.place.acquisition
  }
}

/** Which instance it is on. */
export function instanceOf({ place }: Search): string | undefined {
  return place?.acquisition.instanceId
}

export async function release(acquisition: Acquisition): Promise<void> {
  await acquisition[Symbol.asyncDispose]()
}

const admitted: FindOptions<FoundPlace>['admit'] = async (acquisition, connection) => ({
  place: { acquisition, connection },
})
