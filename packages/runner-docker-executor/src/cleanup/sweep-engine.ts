import type { Clock } from '@runner-core/fleeting'
import { isOfAttempt } from '../containers/container-names.ts'
import type { Engine } from '../engine/engine.ts'
import { attemptLabel, expiryLabel, fleetLabel } from './labels.ts'
import { removeAttempt } from './remove-attempt.ts'

export interface SweepOptions {
  /** Of this manager: see `AttemptLabels.fleet`. */
  readonly fleet: string
  /** Whether an attempt is under way, or left by an earlier manager and to be resumed. */
  readonly isActive: (attempt: string) => boolean
  /**
   * Asked between the look and the removal: rejects where a later manager may have made what was seen.
   * @defaultValue there is none
   */
  readonly mayRemove?: () => Promise<void>
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Removes what jobs of this fleet left on an Engine: those that are over, and what is of no use to anybody any more.
 * What others made stays. Returns the attempts. Rejects with `EngineError`, with what `mayRemove` throws, and with the
 * signal's reason.
 */
export async function sweepEngine(
  engine: Engine,
  { fleet, isActive, mayRemove, clock, signal }: SweepOptions,
): Promise<readonly string[]> {
  const filters = { label: [fleetLabel] }
  const [containers, networks, { Volumes: volumes }] = await engine.call(
    'looking for what earlier jobs left',
    signal,
    (docker, abortSignal) =>
      Promise.all([
        docker.listContainers({ all: true, filters, abortSignal }),
        docker.listNetworks({ filters, abortSignal }),
        docker.listVolumes({ filters, abortSignal }),
      ]),
  )
  const now = clock.wallTime()
  const isOver = (labels: Labels | undefined): boolean => isLeftover(labels, { fleet, isActive, now })
  const attemptsOf = (labelled: readonly { readonly Labels?: Labels | undefined }[]): string[] =>
    labelled.flatMap(({ Labels: labels }) => (isOver(labels) ? [labels![attemptLabel]!] : []))
  const own = containers.filter(({ Labels: labels, Names: names }) => isOfAttempt(names, labels[attemptLabel] ?? ''))
  const left = new Set([...attemptsOf(own), ...attemptsOf(networks), ...attemptsOf(volumes ?? [])])
  if (left.size > 0) await mayRemove?.()
  for (const attempt of left) await removeAttempt(engine, attempt, { clock, signal })
  return [...left]
}

type Labels = Readonly<Record<string, string>>

/** Exported for tests. */
export function isLeftover(
  labels: Labels | undefined,
  { fleet, isActive, now }: Pick<SweepOptions, 'fleet' | 'isActive'> & { readonly now: number },
): boolean {
  const attempt = labels?.[attemptLabel]
  if (attempt === undefined || isActive(attempt)) return false
  if (labels?.[fleetLabel] === fleet) return true
  const [name] = fleet.split('/')
  const expiresAt = Date.parse(labels?.[expiryLabel] ?? '')
  return labels?.[fleetLabel]?.split('/')[0] === name && expiresAt < now
}
