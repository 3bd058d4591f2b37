import compare from 'semver/functions/compare.js'
import parse from 'semver/functions/parse.js'

/** True for what upstream takes as the version of a plugin: three numbers, perhaps a pre-release, no build metadata. */
export function isPluginVersion(text: string): boolean {
  return /^\d/.test(text) && parse(text)?.build.length === 0
}

/**
 * The best of the versions that are there for `latest`, `1`, `1.5` or `1.5.1`: the highest that begins so, releases
 * before pre-releases. Undefined when none does. A version that is named exactly is taken whatever it looks like.
 * Upstream, asked for less than a whole version, finds no pre-releases at all.
 */
export function bestVersion(names: readonly string[], wanted: string): string | undefined {
  if (names.includes(wanted)) return wanted
  const fitting = fittingVersions(names, wanted)
  return fitting.findLast((name) => parse(name)?.prerelease.length === 0) ?? fitting.at(-1)
}

/**
 * True when a tag is a version, or the beginning of one, and `version` is not it. A tag such as `latest` or
 * `1.5-alpine` says nothing of a version.
 */
export function contradicts(version: string, tag: string): boolean {
  const exact = parse(tag)
  if (exact !== null) return compare(exact, version) !== 0
  return /^v?\d+(?:\.\d+)?$/.test(tag) && fittingVersions([version], tag).length === 0
}

/** Those that begin as `wanted` does, in ascending order; what is no version is left out. */
export function fittingVersions(names: readonly string[], wanted: string): readonly string[] {
  if (parse(wanted)?.prerelease.length) return names.filter((name) => name === wanted)
  const [matches, ...parts] = (wanted === 'latest' ? [''] : /^v?(\d+)(?:\.(\d+)(?:\.(\d+))?)?$/.exec(wanted)) ?? []
  if (matches === undefined) return []
  const prefix = parts.filter((part) => part !== undefined).map(Number)
  return names
    .filter((name) => {
      const version = parse(name)
      if (version === null) return false
      const numbers = [version.major, version.minor, version.patch]
      return prefix.every((part, index) => part === numbers[index])
    })
    .toSorted((a, b) => compare(a, b))
}
