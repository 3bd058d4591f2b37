import { Refusal } from './refusal.ts'

/** A tag of the group. */
export interface GroupTag {
  readonly value: string
  /** Whether instances take it over when they are launched. */
  readonly propagates: boolean
}

/**
 * From the service model, and its guide: docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html.
 */
const most = { tags: 50, keyCharacters: 128, valueCharacters: 256 }

/** The tags of an Auto Scaling group, by key. */
export class GroupTags {
  readonly #tags = new Map<string, GroupTag>()

  all(): ReadonlyMap<string, GroupTag> {
    return this.#tags
  }

  /** What an instance takes over that is launched now. */
  propagated(): ReadonlyMap<string, string> {
    return new Map([...this.#tags].flatMap(([key, { value, propagates }]) => (propagates ? [[key, value]] : [])))
  }

  /** Makes them, or changes those of the same key. Thrown: a refusal, and nothing is done. */
  write(tags: ReadonlyMap<string, GroupTag>): void {
    for (const [key, { value }] of tags) {
      if (
        key === '' ||
        key.length > most.keyCharacters ||
        value.length > most.valueCharacters ||
        key.toLowerCase().startsWith('aws:')
      ) {
        throw new Refusal('ValidationError', `1 validation error detected: the tag ${key} is not valid`)
      }
    }
    if (new Set([...this.#tags.keys(), ...tags.keys()]).size > most.tags) {
      throw new Refusal('LimitExceeded', `An Auto Scaling group can have at most ${most.tags} tags.`)
    }
    for (const [key, tag] of tags) this.#tags.set(key, tag)
  }

  /** As somebody would who deletes all and makes these. */
  replace(tags: Readonly<Record<string, string>>): void {
    this.#tags.clear()
    for (const [key, value] of Object.entries(tags)) this.#tags.set(key, { value, propagates: true })
  }
}
