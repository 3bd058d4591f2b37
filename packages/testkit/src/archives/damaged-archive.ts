import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { type ArchiveTree, archiveTree, treeAsTar, treeAsZip } from './archive-tree.ts'

const packings: readonly ((tree: ArchiveTree) => Buffer)[] = [
  treeAsZip,
  treeAsTar,
  (tree) => gzipSync(treeAsTar(tree)),
  (tree) => zstdCompressSync(treeAsTar(tree)),
]

/**
 * One damage at a place `at`, 0 … 1 of the length. What stands in headers is hit more often than chance would: a size
 * or an offset becomes as large as it can.
 */
const damage = fc.record({
  kind: fc.constantFrom('flip', 'most', 'cut', 'drop', 'twice', 'zeros'),
  at: fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom(0, 1),
    fc.double({ min: 0.9, max: 1, noNaN: true }),
  ),
  length: fc.integer({ min: 1, max: 64 }),
  byte: fc.integer({ min: 1, max: 255 }),
})

type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never

function damaged(bytes: Buffer, { kind, at, length, byte }: Damage): Buffer {
  const from = Math.min(Math.floor(at * bytes.length), Math.max(0, bytes.length - 1))
  const [before, part, after] = [
    bytes.subarray(0, from),
    bytes.subarray(from, from + length),
    bytes.subarray(from + length),
  ]
  switch (kind) {
    case 'flip':
      return Buffer.concat([before, Buffer.from(part.map((each) => each ^ byte)), after])
    case 'most':
      return Buffer.concat([
        before,
        Buffer.alloc(Math.min(part.length, 8), 0xff),
        bytes.subarray(from + Math.min(part.length, 8)),
      ])
    case 'cut':
      return before
    case 'drop':
      return Buffer.concat([before, after])
    case 'twice':
      return Buffer.concat([before, part, part, after])
    case 'zeros':
      return Buffer.concat([before, Buffer.alloc(length * 16), part, after])
  }
}

/** An archive that was whole once: a zip, or a tar by itself, in gzip or in Zstandard. */
export const damagedArchive: fc.Arbitrary<Buffer> = fc
  .tuple(archiveTree, fc.constantFrom(...packings), fc.array(damage, { minLength: 1, maxLength: 6 }))
  .map(([tree, pack, damages]) => damages.reduce(damaged, pack(tree)))
