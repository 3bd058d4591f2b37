import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import type { Clock, GroupError, ListedInstance, Random } from '@runner-core/fleeting'
import { launchError, reachBack, startingOf, startMs } from './activities.ts'
import type { History } from './client.ts'
import { missingOf } from './desired-capacity.ts'
import { launchOutlook } from './launch-outlook.ts'

/** Where the history of a group stood: what is in it happened before. */
interface Mark {
  readonly ids: ReadonlySet<string | undefined>
  readonly newestMs: number
}

/** Launches fail, and nothing has got better. */
interface Stall {
  /** `Clock.now()` */
  readonly since: number
  readonly marks: number
  readonly progressMs: number
  readonly missing: number
}

/** After so long without progress the rest of what was asked for has failed, whatever the group may still try. */
const stallMs = 180_000

interface FailedLaunch {
  readonly id: string
  error: GroupError
}

/**
 * Launches that the group was asked for and has failed at, in every zone or for minutes. It goes on trying for ever, so
 * each is shown as a failed instance under an id of our own until its capacity is given back, or it has been launched
 * after all. What failed before the last raise of the desired capacity says nothing about what was asked for then,
 * hence the mark.
 */
export class FailedLaunches {
  readonly #random: Random
  readonly #clock: Clock
  #launches: FailedLaunch[] = []
  #mark: Mark | undefined
  #marks = 0
  #stall: Stall | undefined

  constructor(random: Random, clock: Clock) {
    this.#random = random
    this.#clock = clock
  }

  /** More is about to be asked for: what failed so far is old. */
  mark(activities: readonly Activity[]): void {
    const newestMs = Math.max(0, ...activities.map(startMs))
    this.#marks += 1
    this.#mark = { ids: new Set(activities.map(({ ActivityId }) => ActivityId)), newestMs }
  }

  /** Ids of our own. */
  get ids(): readonly string[] {
    return this.#launches.map(({ id }) => id)
  }

  has(id: string): boolean {
    return this.#launches.some((launch) => launch.id === id)
  }

  /** Their capacity has been given back, or they have been launched after all. */
  forget(ids: readonly string[]): void {
    this.#launches = this.#launches.filter(({ id }) => !ids.includes(id))
  }

  /** How often more was asked for. */
  get marks(): number {
    return this.#marks
  }

  /** All was there that had been asked for when {@link marks} was so many. */
  allLaunched(marks: number): void {
    if (marks !== this.#marks) return
    this.#launches = []
    // Whatever is missing next, somebody else has asked for it, or an instance died: its history begins with what is
    // seen then.
    this.#mark = undefined
  }

  /** Whether no activity before these matters: all is accounted for that is missing, or they are too old. */
  isEnough(group: AutoScalingGroup, activities: readonly Activity[]): boolean {
    return startingOf(group, activities) >= missingOf(group) || reachBack(activities, this.#mark?.newestMs)
  }

  /** Something is missing: finds out from the group's history whether it is late, or has failed. */
  update(group: AutoScalingGroup, { activities, isWhole }: History): void {
    if (this.#mark === undefined) this.mark(activities)
    const missing = missingOf(group)
    this.#launches = this.#launches.slice(0, missing)
    const { failure, progressMs, isHopeless } = launchOutlook(group, this.#fresh(activities))
    this.#stall = failure === undefined ? undefined : this.#stalled(progressMs, missing)
    if (failure === undefined) return
    const error = launchError(failure)
    for (const launch of this.#launches) launch.error = error
    const hasStalled = this.#stall !== undefined && this.#clock.now() - this.#stall.since >= stallMs
    if (!isWhole || !(isHopeless || hasStalled)) return
    const failed = missing - startingOf(group, activities)
    while (this.#launches.length < failed) this.#launches.push({ id: this.#newId(), error })
  }

  #stalled(progressMs: number, missing: number): Stall {
    const before = this.#stall
    const isBetter =
      before === undefined || before.marks !== this.#marks || progressMs > before.progressMs || missing < before.missing
    return isBetter ? { since: this.#clock.now(), marks: this.#marks, progressMs, missing } : before
  }

  rows(): readonly ListedInstance[] {
    return this.#launches.map(({ id, error }) => ({ id, state: 'failed', detail: error.message, error }))
  }

  #fresh(activities: readonly Activity[]): readonly Activity[] {
    const { ids, newestMs } = this.#mark!
    return activities.filter((activity) => !ids.has(activity.ActivityId) && startMs(activity) >= newestMs)
  }

  #newId(): string {
    return `launch-${Math.floor(this.#random() * 2 ** 52).toString(36)}`
  }
}
