import { closest, distance } from 'fastest-levenshtein'

/** The plugins that belong to this project, by short name. */
const knownPlugins = ['local', 'docker', 'static', 'aws', 'gce', 'azure', 'multi']
/** What GitLab's own plugin for the same cloud is called. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['googlecloud', 'gce'],
  ['googlecompute', 'gce'],
])

/** The plugin for the same cloud as GitLab's own one of this very name. */
export function otherName(reference: string): string | undefined {
  return otherNames.get(reference)
}

/**
 * The plugin that was probably meant by a name under which none was found; package prefixes and image tags, as GitLab
 * Runner takes them, do not matter.
 */
export function suggestPlugin(reference: string): string | undefined {
  const name = reference
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/^fleeting-plugin-/, '')
    .replace(/(@sha256)?:.*$/, '')
  const meant = otherNames.get(name)
  if (meant !== undefined) return meant
  const nearest = closest(name, knownPlugins)
  // Two letters that changed places are a distance of two.
  const isNear = distance(name, nearest) <= Math.ceil(nearest.length / 3)
  return isNear && nearest !== reference ? nearest : undefined
}
