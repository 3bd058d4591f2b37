interface Version {
  readonly text: string
  readonly numbers: readonly [number, number, number]
  readonly prerelease: string
}

/** The best of the versions that are there for `latest`, `1`, `1.5` or `1.5.1`: the highest that begins so, releases before pre-releases. Undefined when none does. A version that is named exactly is taken whatever it looks like. */
export function bestVersion(names: readonly string[], wanted: string): string | undefined {
  if (names.includes(wanted)) return wanted
  const prefix = wanted === 'latest' || wanted === '' ? [] : wanted.replace(/^v/, '').split('.').map(Number)
  if (prefix.some(Number.isNaN)) return undefined
  const fitting = names.flatMap(parse).filter(({ numbers }) => prefix.every((part, index) => numbers[index] === part))
  return fitting.toSorted(compare).at(-1)?.text
}

function parse(text: string): readonly Version[] {
  const [, major, minor, patch, prerelease = ''] = /^v?(\d+)\.(\d+)\.(\d+)(?:-([\w.-]+))?(?:\+.*)?$/.exec(text) ?? []
  if (major === undefined) return []
  return [{ text, numbers: [Number(major), Number(minor), Number(patch)], prerelease }]
}

function compare(a: Version, b: Version): number {
  if ((a.prerelease === '') !== (b.prerelease === '')) return a.prerelease === '' ? 1 : -1
  const difference = a.numbers.map((part, index) => part - (b.numbers[index] as number)).find((part) => part !== 0)
  return difference ?? a.prerelease.localeCompare(b.prerelease, 'en', { numeric: true })
}
