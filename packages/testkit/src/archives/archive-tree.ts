import type { ArchiveEntry } from '@runner-core/job/internals'
import fc from 'fast-check'
import { tarBytes, type ZipItem, zipBytes } from './archive-bytes.ts'

/** What an archive holds, by path. `content` in latin1. */
export type ArchiveTree = ReadonlyMap<string, ArchiveEntry & { readonly content?: string }>

const name = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'dir',
    'x.txt',
    '-rf',
    ' lead',
    'trail ',
    'ünïcödé',
    '日本',
    "it's",
    '$HOME',
    '`id`',
    '*',
    'a\\x2db',
    '...',
    '.gitignore',
    '#',
    '"',
  ),
  fc
    .string({ unit: fc.constantFrom('n', 'é', '.'), minLength: 1, maxLength: 120 })
    .filter((text) => !/^\.{1,2}$/.test(text) && Buffer.byteLength(text) < 256),
)

const seconds = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 0, max: 150_000 }).map((size) => Buffer.alloc(size, 'lorem ipsum ')),
)

const node = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom('file', 'file', 'directory', 'symlink'),
  // Readable to its owner, so that a test can look at it without being root.
  mode: fc.integer({ min: 0, max: 0o777 }).map((mode) => mode | 0o400),
  seconds,
  content,
})

/**
 * A tree that an honest job could have packed: links that lead anywhere inside, to what is there and to what is not.
 */
export const archiveTree: fc.Arbitrary<ArchiveTree> = fc.array(node, { maxLength: 12 }).map((nodes) => {
  const tree = new Map<string, ArchiveEntry & { readonly content?: string }>()
  for (const { path: names, kind, mode, seconds: mtime, content: bytes } of nodes) {
    const path = names.join('/')
    const parents = names.slice(1).map((_, index) => names.slice(0, index + 1).join('/'))
    const isBlocked = parents.some((parent) => tree.has(parent) && tree.get(parent)?.type !== 'directory')
    if (tree.has(path) || isBlocked || [...tree.keys()].some((other) => other.startsWith(`${path}/`))) continue
    const common = { path, mode, mtime: mtime * 1000 }
    if (kind === 'file')
      tree.set(path, { ...common, type: 'file', size: bytes.length, content: bytes.toString('latin1') })
    else if (kind === 'directory') tree.set(path, { ...common, mode: mode | 0o500, type: 'directory' })
    else {
      const parent = parents.at(-1)
      // Its directory, as most writers have it.
      if (parent !== undefined && !tree.has(parent))
        tree.set(parent, { ...common, path: parent, mode: mode | 0o500, type: 'directory' })
      const target = `${'../'.repeat(names.length - 1)}${[...tree.keys()].at(-1) ?? 'nowhere'}`
      tree.set(path, { ...common, mode: 0o777, type: 'symlink', target })
    }
  }
  return tree
})

export function treeAsZip(tree: ArchiveTree): Buffer {
  const kinds = { file: 0o100000, directory: 0o040000, symlink: 0o120000, hardlink: 0 }
  return zipBytes(
    [...tree.values()].map((entry, index): ZipItem => {
      const bytes = 'target' in entry ? Buffer.from(entry.target) : Buffer.from(entry.content ?? '', 'latin1')
      return {
        name: entry.type === 'directory' ? `${entry.path}/` : entry.path,
        mode: kinds[entry.type] | entry.mode,
        mtime: entry.mtime / 1000,
        content: bytes,
        stored: entry.type === 'directory' || index % 3 === 0,
        streamed: index % 2 === 0,
      }
    }),
  )
}

export function treeAsTar(tree: ArchiveTree): Buffer {
  const typeflags = { file: '0', directory: '5', symlink: '2', hardlink: '1' }
  return tarBytes(
    [...tree.values()].map((entry) => ({
      name: entry.type === 'directory' ? `./${entry.path}/` : `./${entry.path}`,
      typeflag: typeflags[entry.type],
      mode: entry.mode,
      mtime: entry.mtime / 1000,
      content: Buffer.from(entry.content ?? '', 'latin1'),
      linkname: 'target' in entry ? entry.target : '',
    })),
  )
}
