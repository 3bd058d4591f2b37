import { createHash } from 'node:crypto'
import { GroupError } from './errors.ts'

/** Tags of a group or a machine, by name. Two names that differ only in capitals are one, as Azure has it. */
export type Tags = Readonly<Record<string, string>>

/** A launch as a group's tag has it: how many machines were asked for under which token. */
export interface TaggedLaunch {
  readonly launchToken: string
  readonly count: number
}

/** The launches of one fleet that a tag tells of, the last one first. */
export interface TaggedLaunches {
  /**
   * Whose machines one that is made now can be: the last launch, and those before it that were under way when it was
   * asked for.
   */
  readonly open: readonly TaggedLaunch[]
  /** What had ended when a later one was asked for. */
  readonly ended: readonly TaggedLaunch[]
}

/** Whose the group is. */
export const fleetTag = 'runner-core-fleet'
/** `TOKEN:COUNT TOKEN:COUNT/TOKEN:COUNT`: open launches, then ended ones. */
export const launchesTag = 'runner-core-launches'

/**
 * Characters of a tag's value, of Azure (learn.microsoft.com/azure/azure-resource-manager/management/tag-resources) and
 * of AWS (the model of EC2 Auto Scaling).
 */
const longestValue = 256
const tokenRule = /^[\w-]{1,100}$/

/** What the tag says of launches of this fleet; of another one's, nothing. */
export function launchesOf(tags: Tags, fleet: string): TaggedLaunches {
  if (taggedValue(tags, fleetTag) !== fleetTagValue(fleet)) return { open: [], ended: [] }
  const [open = '', ended = ''] = (taggedValue(tags, launchesTag) ?? '').split('/')
  return { open: parsed(open), ended: parsed(ended) }
}

/** The fleet that the tags name; a fleet whose name cannot be a tag's value has a hash there. */
export function taggedFleet(tags: Tags): string | undefined {
  return taggedValue(tags, fleetTag)
}

export function isTaggedFor(tags: Tags, fleet: string): boolean {
  return taggedFleet(tags) === fleetTagValue(fleet)
}

/**
 * All tags of the group, with one more launch, in which the same token stands once. The oldest launches are left out
 * when a value cannot hold all. `isSettled`: no earlier launch is under way. Thrown: `invalid_config` for a token that
 * cannot be in a tag.
 */
export function withLaunch(tags: Tags, fleet: string, launch: TaggedLaunch, isSettled: boolean): Tags {
  if (!tokenRule.test(launch.launchToken)) {
    const got = JSON.stringify(launch.launchToken)
    throw new GroupError('invalid_config', `launchToken: expected at most 100 letters, digits, _ and -, got ${got}`)
  }
  const known = launchesOf(tags, fleet)
  const { open, ended } = isSettled ? withoutOpen(known) : known
  const others = (launches: readonly TaggedLaunch[]) =>
    launches.filter(({ launchToken }) => launchToken !== launch.launchToken)
  return withLaunches(tags, fleet, { open: [launch, ...others(open)], ended: others(ended) })
}

/** All tags of the group once nothing is under way: what is made from now on is no launch's. */
export function withLaunchesEnded(tags: Tags, fleet: string): Tags {
  return isTaggedFor(tags, fleet) ? withLaunches(tags, fleet, withoutOpen(launchesOf(tags, fleet))) : tags
}

function withoutOpen({ open, ended }: TaggedLaunches): TaggedLaunches {
  return { open: [], ended: [...open, ...ended] }
}

function withLaunches(tags: Tags, fleet: string, { open, ended }: TaggedLaunches): Tags {
  let kept = open.length + ended.length
  let value = written(open, ended)
  while (value.length > longestValue) {
    kept -= 1
    value = written(open.slice(0, kept), ended.slice(0, Math.max(0, kept - open.length)))
  }
  const others = Object.entries(tags).filter(([name]) => ![fleetTag, launchesTag].includes(name.toLowerCase()))
  return { ...Object.fromEntries(others), [fleetTag]: fleetTagValue(fleet), [launchesTag]: value }
}

function written(open: readonly TaggedLaunch[], ended: readonly TaggedLaunch[]): string {
  return [open, ended]
    .map((launches) => launches.map(({ launchToken, count }) => `${launchToken}:${count}`).join(' '))
    .join('/')
}

function parsed(launches: string): readonly TaggedLaunch[] {
  return [...launches.matchAll(/([\w-]+):(\d+)/g)].map(([, launchToken, count]) => ({
    launchToken: launchToken!,
    count: Number(count),
  }))
}

/**
 * How a tag names the fleet: in characters that all of AWS's services, and Azure's machines that read their own tags,
 * take; other names are hashed.
 */
export function fleetTagValue(fleet: string): string {
  return /^[\w.:/=+@-]([\w .:/=+@-]{0,98}[\w.:/=+@-])?$/.test(fleet)
    ? fleet
    : createHash('sha256').update(fleet).digest('hex')
}

function taggedValue(tags: Tags, name: string): string | undefined {
  return Object.entries(tags).find(([other]) => other.toLowerCase() === name)?.[1]
}
