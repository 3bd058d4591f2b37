import type { Instance } from '@runner-core/fleeting/provisioner'
import type { InstanceSlots } from './instance-slots.ts'

/** What a job needs to be ended on its machine and reported. */
const needMs = 20_000

/**
 * When what runs on an instance is best ended, because the cloud takes it away: 20 s before, or half of its notice.
 * `Infinity`: it said no time. Pure.
 */
export function endingAt({ interruptedAt, goesAt }: Pick<Instance, 'interruptedAt' | 'goesAt'>): number {
  if (interruptedAt === undefined || goesAt === undefined) return Number.POSITIVE_INFINITY
  return Math.max(goesAt - needMs, (interruptedAt + goesAt) / 2)
}

/** Tells the jobs whose instance is about to go. Answers when the next ones are to be told. */
export function tellEndings(condemned: Iterable<InstanceSlots>, now: number): number {
  let next = Number.POSITIVE_INFINITY
  for (const host of condemned) {
    const at = endingAt(host.instance)
    if (at > now) next = Math.min(next, at)
    else for (const acquisition of host.lent()) acquisition.end()
  }
  return next
}
