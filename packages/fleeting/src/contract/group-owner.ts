import type { Tags } from './launch-tags.ts'

/**
 * Who has an instance group, as it is written on the group itself: the fleet's state, not a process, so that the next
 * process with the same state has it too.
 */
export interface GroupOwner {
  /** Identity of the state or the installation: at most 100 letters, digits, `_` and `-`. Never a credential. */
  readonly id: string
  /** For people: which fleet, and on which machine. */
  readonly name: string
  /** Grows with each process of the same owner: one with a lower epoch than the group's is over. */
  readonly epoch: number
  /** Wall time of the claim, milliseconds. */
  readonly since: number
}

/** The tag, or label, that holds {@link writtenOwner}. */
export const ownerTag = 'runner-core-owner'

const longestName = 100
const form = /^([\w-]{1,100}) (\d{1,15}) (\S+)(?: (.*))?$/

/** An owner in one line of at most 256 characters that every cloud takes as a tag's value. */
export function writtenOwner({ id, name, epoch, since }: GroupOwner): string {
  return `${id} ${epoch} ${new Date(since).toISOString()} ${name.replaceAll(/[^\w .:/=+@-]/g, '_').slice(0, longestName)}`.trimEnd()
}

/**
 * Reads what {@link writtenOwner} wrote; undefined: nobody has it. What is written in another form has an owner all the
 * same, one that nobody here is.
 */
export function readOwner(written: string | undefined): GroupOwner | undefined {
  const text = written?.trim() ?? ''
  if (text === '') return undefined
  const [, id, epoch, since = '', name = ''] = form.exec(text) ?? []
  if (id === undefined) return { id: text, name: text, epoch: 0, since: Number.NaN }
  return { id, name, epoch: Number(epoch), since: Date.parse(since) }
}

/** An owner in words, for people. */
export function describeOwner({ id, name, epoch, since }: GroupOwner): string {
  const when = Number.isFinite(since) ? ` since ${new Date(since).toISOString()}` : ''
  return `${name === '' ? 'another manager' : name} (owner ${id}, epoch ${epoch})${when}`
}

/** Each owner in words, once; one that is noted on several members of a group of groups is one. */
export function describeOwners(owners: readonly GroupOwner[]): string {
  return owners.length === 0 ? 'nobody' : [...new Set(owners.map(describeOwner))].join(', ')
}

/** The owner that the group's tags name. Two names that differ only in capitals are one, as Azure has it. */
export function ownersIn(tags: Tags): readonly GroupOwner[] {
  return Object.entries(tags).flatMap(([name, value]) =>
    name.toLowerCase() === ownerTag ? (readOwner(value) ?? []) : [],
  )
}

/** All tags of the group, with this owner, or with none. */
export function withOwner(tags: Tags, owner: GroupOwner | undefined): Tags {
  const others = Object.entries(tags).filter(([name]) => name.toLowerCase() !== ownerTag)
  return { ...Object.fromEntries(others), ...(owner !== undefined && { [ownerTag]: writtenOwner(owner) }) }
}
