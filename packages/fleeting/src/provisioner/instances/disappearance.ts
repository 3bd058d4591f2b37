/** What is known of an instance that `list` leaves out. Times are `Clock.now()` milliseconds. */
export interface Disappearance {
  /** Begin of the first reading that left it out; all readings since have left it out too. */
  readonly since: number
  /** Begin of the last such reading. */
  readonly readAt: number
  /** Begin of the call in which the cloud, asked for its id, last said that it does not exist. */
  readonly deniedAt?: number
  /** When it last gave a sign of life: the cloud knew its id, or the instance itself answered. */
  readonly aliveAt?: number
  /** When the last life check ended, however. The next one is made for a later reading. */
  readonly askedAt?: number
  /** When the last life check ended without an answer; `isSure` unless the check itself could not be made. */
  readonly silence?: { readonly at: number; readonly isSure: boolean }
}

/** A missing instance, and what counts for the belief that it is gone. */
export interface MissingInstance extends Disappearance {
  readonly id: string
  readonly seenAt: number
  /** The cloud itself said before that it is on its way out, or it was deleted before it was missing. */
  readonly wasLeaving: boolean
  /** Whether a connection to it is open. */
  readonly isConnected: boolean
}

/** Holds while so many instances are missing at once that the list is more likely wrong than they are gone. */
export interface DisappearanceBrake {
  readonly since: number
}

export interface DisappearanceVerdict {
  readonly brake: DisappearanceBrake | undefined
  /** Instances to ask for a sign of life before they may be given up. */
  readonly ask: readonly string[]
  /** Instances that do not exist any more. */
  readonly gone: readonly string[]
}

export interface DisappearanceRule {
  /** How late `list` may be. */
  readonly lagMs: number
  /** Instances known, the missing ones among them; those that anybody removes left out. */
  readonly known: number
  readonly now: number
}

/** So many missing instances, and more than half of all, are a mass. */
const massMinimum = 3
/**
 * While the brake holds readings must agree for this many times as long as otherwise, and at least for
 * {@link shortestMassSpanMs}.
 */
const massSpanFactor = 6
const shortestMassSpanMs = 60_000
/** A life check without an answer counts for so long. */
const silenceCountsMs = 30_000

/** How long all readings must have left an instance out before that alone is believed. */
export function believedAfterMs(lagMs: number, isMass: boolean): number {
  return isMass ? Math.max(shortestMassSpanMs, massSpanFactor * lagMs) : lagMs
}

/**
 * Which missing instances are gone. That `list` leaves one out is believed when all readings of a span that begins
 * after its last sign of life agree, or when the cloud, asked for its id, says so too. The instance itself is asked
 * before that, unless the cloud denies it and nothing is connected to it. While the brake holds the span is longer, and
 * every instance is asked.
 */
export function judgeDisappearances(
  missing: readonly MissingInstance[],
  before: DisappearanceBrake | undefined,
  { lagMs, known, now }: DisappearanceRule,
): DisappearanceVerdict {
  const unexplained = missing.filter(({ wasLeaving }) => !wasLeaving).length
  const isMass = unexplained >= massMinimum && (before !== undefined || unexplained * 2 > known)
  const ask: string[] = []
  const gone: string[] = []
  for (const instance of missing) {
    const { id, since, readAt, aliveAt = since, askedAt, silence, wasLeaving, isConnected } = instance
    const from = Math.max(since, aliveAt)
    const spanMs = readAt - from
    const isDenied = wasLeaving || isDeniedById(instance, from, lagMs)
    if (!isDenied && (spanMs <= 0 || spanMs < believedAfterMs(lagMs, isMass))) continue
    const isSilent =
      silence !== undefined &&
      silence.at >= from &&
      now - silence.at <= silenceCountsMs &&
      (silence.isSure || spanMs >= believedAfterMs(lagMs, true))
    if (isSilent || (isDenied && !isMass && !isConnected)) gone.push(id)
    else if (askedAt === undefined || askedAt < readAt) ask.push(id)
  }
  return { brake: isMass ? (before ?? { since: now }) : undefined, ask, gone }
}

/** A cloud that shows new instances late may deny them too. */
function isDeniedById({ deniedAt, seenAt }: MissingInstance, from: number, lagMs: number): boolean {
  return deniedAt !== undefined && deniedAt >= from && deniedAt - seenAt >= lagMs
}
