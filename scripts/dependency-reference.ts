// Writes docs/reference/dependencies.md from the package files, the lock file and what is installed.
import { globSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dependencyReasons } from './dependency-reasons.ts'

interface PackageFile {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

interface LockedPackage {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
}

export interface Dependency {
  readonly name: string
  /** As each of our packages asks for it, by its folder. */
  readonly ranges: ReadonlyMap<string, string>
  readonly reason: string | undefined
  /** How many packages it brings along, itself not counted. */
  readonly brings: number
  /** Of it and what it brings, on disk. */
  readonly bytes: number
  /** Packages of others, in the same tree, that need it too. */
  readonly others: readonly string[]
}

/** All that the published packages depend on, by name. `root`: of the repository, installed. */
export function dependenciesOf(root: string): readonly Dependency[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>
  }
  const ranges = new Map<string, Map<string, string>>()
  for (const file of globSync('packages/*/package.json', { cwd: root }).toSorted()) {
    const { private: isPrivate, dependencies = {} } = JSON.parse(readFileSync(join(root, file), 'utf8')) as PackageFile
    if (isPrivate === true) continue
    for (const [name, range] of Object.entries(dependencies)) {
      if (name.startsWith('@runner-core/')) continue
      const own = ranges.get(name) ?? new Map<string, string>()
      ranges.set(name, own.set(file.split('/')[1]!, range))
    }
  }
  return [...ranges].map(([name, own]) => {
    const tree = treeOf(lock.packages, name)
    return {
      name,
      ranges: own,
      reason: dependencyReasons[name],
      brings: tree.size - 1,
      bytes: [...tree].reduce((sum, place) => sum + bytesOf(join(root, place)), 0),
      others: dependentsOf(lock.packages, name),
    }
  })
}

/** The page. */
export function dependencyPage(dependencies: readonly Dependency[]): string {
  const rows = dependencies
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, ranges, reason, brings, bytes, others }) => {
      const users = [...ranges].map(([folder, range]) => `${folder} \`${range}\``).join(', ')
      const size = `${(bytes / 1e6).toFixed(1)} MB${brings === 0 ? '' : `, ${brings} more`}`
      return `| \`${name}\` | ${users} | ${reason} | ${size} | ${others.join(', ') || '–'} |`
    })
  return `# Dependencies

What the published packages depend on, made from their package files and the lock file by
\`node scripts/dependency-reference.ts\`. The size is that of the package and all that it brings, on disk, and how many
more packages those are; two rows may count the same ones. "Also needed by" names packages of others in our tree.

| dependency | used by | why | size | also needed by |
|---|---|---|---|---|
${rows.join('\n')}
`
}

type Locked = Readonly<Record<string, LockedPackage>>

/** Where the package stands, and what it needs, as Node would find it. */
function treeOf(packages: Locked, name: string): ReadonlySet<string> {
  const places = new Set<string>()
  const visit = (from: string, wanted: string): void => {
    const place = placeOf(packages, from, wanted)
    if (place === undefined || places.has(place)) return
    places.add(place)
    for (const next of Object.keys(packages[place]?.dependencies ?? {})) visit(place, next)
  }
  visit('', name)
  return places
}

function placeOf(packages: Locked, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const place = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (packages[place] !== undefined) return place
    if (folder === '') return undefined
    if (!folder.includes('/node_modules/')) folder = ''
  }
}

function dependentsOf(packages: Locked, name: string): readonly string[] {
  const names = Object.entries(packages)
    .filter(([place, { dependencies = {} }]) => place.includes('node_modules/') && name in dependencies)
    .map(([place]) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length))
    .filter((dependent) => !dependent.startsWith('@runner-core/'))
  return [...new Set(names)].toSorted().slice(0, 4)
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    if (entry.name === 'node_modules') return sum
    const path = join(folder, entry.name)
    return sum + (entry.isDirectory() ? bytesOf(path) : statSync(path).size)
  }, 0)
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  writeFileSync(join(root, 'docs/reference/dependencies.md'), dependencyPage(dependenciesOf(root)))
}
