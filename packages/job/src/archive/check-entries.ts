import type { ArchiveEntry } from './archive-entry.ts'
import { ArchiveError } from './archive-error.ts'

/** What is known of an archive whose entries fit together. */
export interface CheckedEntries {
  /** Every directory that it needs, those that have no entry too; each after the one it is in. */
  readonly directories: readonly string[]
}

/**
 * What becomes of symbolic links that lead out of the directory: `refuse` the archive for them; `keep` them, as what a
 * job made for itself may need them (the interpreter of a Python environment).
 */
export type OutwardLinks = 'refuse' | 'keep'

/**
 * Checks that entries fit together: no path twice, nothing below what is no directory, no link that leads out. Then
 * writing them in any order, into a directory in which no symbolic link stands in their way, writes nothing anywhere
 * else; and neither does a later writer who follows their links, where those that lead out are refused.
 *
 * Thrown: {@link ArchiveError} `unsafe`.
 */
export function checkEntries(entries: readonly ArchiveEntry[], outwardLinks: OutwardLinks = 'refuse'): CheckedEntries {
  const types = new Map<string, ArchiveEntry['type']>()
  for (const { path, type } of entries) {
    const known = types.get(path)
    if (known !== undefined && !(known === 'directory' && type === 'directory')) refuse(path, 'occurs twice')
    types.set(path, type)
  }
  for (const { path } of entries) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end)
      const type = types.get(parent)
      if (type === 'symlink') refuse(path, `leads through the symbolic link ${JSON.stringify(parent)}`)
      if (type !== undefined && type !== 'directory')
        refuse(path, `is below ${JSON.stringify(parent)}, which is a file`)
      // What is above it is looked at with its own entry, or was with that of something else below it.
      if (type === 'directory') break
      types.set(parent, 'directory')
    }
  }
  for (const entry of entries) {
    if (entry.type === 'symlink' && outwardLinks === 'refuse') checkSymlink(entry.path, entry.target, types)
    if (entry.type === 'hardlink' && types.get(entry.target) !== 'file')
      refuse(entry.path, `is a hard link to ${JSON.stringify(entry.target)}, which is not a file of the archive`)
  }
  return { directories: [...types].flatMap(([path, type]) => (type === 'directory' ? [path] : [])).sort() }
}

/**
 * A link may go up from where it stands, since what is above it is a directory for certain, and then down. Up after
 * down only where the archive itself has a directory there: what else a name stands for, such as another link, is not
 * known here, and `up` from there could be anywhere.
 */
function checkSymlink(path: string, target: string, types: ReadonlyMap<string, ArchiveEntry['type']>): void {
  const leadsOut = (): never =>
    refuse(path, `is a symbolic link to ${JSON.stringify(target)}, which leads out of the directory`)
  if (target.startsWith('/')) leadsOut()
  const at = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') {
      at.push(part)
      continue
    }
    if (at.length === 0 || types.get(at.join('/')) !== 'directory') leadsOut()
    at.pop()
  }
}

function refuse(path: string, why: string): never {
  throw new ArchiveError('unsafe', `the archive is refused: ${JSON.stringify(path)} ${why}`)
}
