import type { Random } from '@runner-core/fleeting'
import type { Coordinator, Endpoint } from '@runner-core/runner/testing'
import type { SmallDisk } from '@runner-core/testkit/machine/small-disk'
import type { SeverableLink } from '../http/severable-link.ts'

/** What goes wrong besides kills. */
export const troubleKinds = [
  'refusals',
  'lost-answers',
  'outage',
  'stall',
  'take-over',
  'state-disk',
  'log-disk',
  'machine-disk',
] as const
export type TroubleKind = (typeof troubleKinds)[number]

/** Kinds that need a small disk each. */
export const diskTroubles: readonly TroubleKind[] = ['state-disk', 'log-disk', 'machine-disk']

const endpoints: readonly Endpoint[] = ['request', 'accept', 'keep_alive', 'trace', 'finish']

export interface TroubleTargets {
  readonly coordinator: Coordinator
  readonly link: SeverableLink
  readonly disks: Readonly<Partial<Record<TroubleKind, SmallDisk>>>
  /** Called when a disk is full, and when it is not any more. */
  readonly diskChanged: (kind: TroubleKind, isFull: boolean) => void
}

/**
 * Trouble that passes by itself, beside the manager's; stalls and take-overs are the supervisor's to do. Resolves when
 * it is over.
 */
export async function passingTrouble(
  kind: Exclude<TroubleKind, 'stall' | 'take-over'>,
  targets: TroubleTargets,
  random: Random,
  after: (ms: number) => Promise<unknown>,
): Promise<void> {
  const { coordinator, link, disks, diskChanged } = targets
  if (kind === 'refusals') {
    for (const on of endpoints) coordinator.inject({ on, times: 1 + Math.floor(random() * 4), reply: { status: 500 } })
  } else if (kind === 'lost-answers') {
    for (const on of endpoints)
      coordinator.inject({ on, times: 1 + Math.floor(random() * 3), reply: 'drop', effective: true })
  } else if (kind === 'outage') {
    const ms = 2_000 + random() * 8_000
    link.cut(ms)
    await after(ms)
  } else {
    const disk = disks[kind]
    if (disk === undefined) return
    disk.fill()
    diskChanged(kind, true)
    await after(1_000 + random() * 5_000)
    disk.free()
    diskChanged(kind, false)
  }
}
