import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { gzipSync } from 'node:zlib'
import { paxItem, tarBytes, zipBytes } from '@runner-core/testkit/archives/archive-bytes'
import { contentsOf, piecesOf, withArchive } from '@runner-core/testkit/archives/archive-rig'
import { type ArchiveTree, archiveTree, treeAsTar, treeAsZip } from '@runner-core/testkit/archives/archive-tree'
import { damagedArchive } from '@runner-core/testkit/archives/damaged-archive'
import { maliciousArchives } from '@runner-core/testkit/archives/malicious-archives'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ArchiveError } from './archive-error.ts'
import { ArchiveFile } from './archive-file.ts'
import { compressZstd } from './compress/compress-zstd.ts'
import { packEntries, packLinkDirectories } from './pack-entries.ts'
import type { PackedFile } from './packed-file.ts'
import { tarEnd } from './tar/tar-header.ts'
import { writeTar } from './tar/write-tar.ts'
import { writeZip } from './zip/write-zip.ts'

const rest = maliciousArchives.filter(({ showsLate }) => showsLate === true)
const early = maliciousArchives.filter(({ showsLate }) => showsLate !== true)

describe('an archive is refused before any of it is unpacked', () => {
  it.each(early)('$kind', async ({ bytes, code, message }) => {
    await expect(withArchive(bytes, async () => {})).rejects.toMatchObject({
      name: 'ArchiveError',
      code,
      message: expect.stringMatching(message),
    })
  })
})

describe('an archive is refused while it is unpacked', () => {
  it.each(rest)('$kind', async ({ bytes, code, message }) => {
    await expect(withArchive(bytes, contentsOf)).rejects.toMatchObject({
      name: 'ArchiveError',
      code,
      message: expect.stringMatching(message),
    })
  })
})

describe('limits', () => {
  const many = Array.from({ length: 11 }, (_, index) => ({ name: `f${index}`, content: Buffer.alloc(100) }))
  it.each([
    ['entries of a zip', zipBytes(many), { entries: 10 }, /more than 10 entries/],
    ['entries of a tar', tarBytes(many), { entries: 10 }, /more than 10 entries/],
    [
      'long names of a tar',
      tarBytes(Array.from({ length: 11 }, () => paxItem({ mtime: '1' }))),
      { entries: 10 },
      /more than 10 entries/,
    ],
    ['bytes of a zip', zipBytes(many), { contentBytes: 1000 }, /more than 1000 bytes/],
    ['bytes of a tar', gzipSync(tarBytes(many)), { contentBytes: 1000 }, /more than 1000 bytes/],
    ['bytes of a single file', gzipSync(Buffer.alloc(1001)), { contentBytes: 1000 }, /more than 1000 bytes/],
  ])('%s', async (_, bytes, limits, message) => {
    await expect(withArchive(bytes, async () => {}, { limits })).rejects.toMatchObject({
      code: 'too_large',
      message: expect.stringMatching(message),
    })
  })

  it('an archive on the way', async () => {
    const receiving = ArchiveFile.receive(piecesOf(Buffer.alloc(2000)), { limitBytes: 1999 })
    await expect(receiving).rejects.toMatchObject({ code: 'too_large' })
  })

  it('a bomb is given up when its limit is reached, not when it has gone off', async () => {
    // A gigabyte and a bit of zeros in a megabyte.
    const bomb = gzipSync(Buffer.alloc(2 ** 20))
    const bytes = Buffer.concat(Array.from({ length: 1100 }, () => bomb))
    await expect(withArchive(bytes, async () => {}, { filename: 'zeros.gz' })).rejects.toMatchObject({
      code: 'too_large',
    })
  })
})

it('nothing is left of an archive on the disk, nor while it is read', async () => {
  const names = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('runner-core-archive-'))
  const before = names()
  await withArchive(zipBytes([{ name: 'a', content: 'a' }]), async () => expect(names()).toEqual(before))
})

describe('single files', () => {
  it('a file that is no archive is itself', async () => {
    const contents = await withArchive(Buffer.from('plain'), contentsOf, { filename: 'dir/report.xml' })
    expect([...contents.values()]).toMatchObject([{ path: 'report.xml', type: 'file', size: 5, content: 'plain' }])
  })

  it.each([
    ['of the gzip', gzipWithName('inside.txt'), 'artifacts.gz', 'inside.txt'],
    ['of the artifact', gzipSync('plain'), 'report.xml.gz', 'report.xml'],
  ])('a gzip of a file has the name %s', async (_, bytes, filename, path) => {
    const contents = await withArchive(bytes, contentsOf, { filename })
    expect([...contents.values()]).toMatchObject([{ path, content: 'plain' }])
  })
})

it('a tar with long names and times as pax writes them', async () => {
  const path = `${'long/'.repeat(60)}ñame`
  const items = [paxItem({ path, mtime: '1700000000.25', size: '5' }), { name: 'short', content: 'plain', size: 0 }]
  const contents = await withArchive(tarBytes(items), contentsOf, { filename: 'a.tar' })
  expect(contents.get(path)).toMatchObject({ content: 'plain', mtime: 1_700_000_000_250 })
})

it('whatever is damaged in an archive, what comes out of it is some of what it says, or an error that says so', async () => {
  const limits = { entries: 1_000, contentBytes: 10_000_000 }
  await fc.assert(
    fc.asyncProperty(damagedArchive, async (bytes) => {
      try {
        const sent = await withArchive(bytes, async (archive) => await collect(packEntries(archive)), { limits })
        expect(sent.length).toBeLessThan(2 * limits.contentBytes)
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error
      }
    }),
    { numRuns: 300 },
  )
})

describe('whatever an honest archive holds comes out of it', () => {
  const packings: readonly (readonly [string, (tree: ArchiveTree) => Promise<Buffer>])[] = [
    ['zip', async (tree) => treeAsZip(tree)],
    ['zip of this runner', async (tree) => await collect(writeZip(packedFiles(tree), 'default'))],
    [
      'zip of this runner with Zstandard',
      async (tree) => await collect(writeZip(packedFiles(tree), 'default', 'zstd')),
    ],
    ['tar.zst of this runner', async (tree) => await collect(compressZstd(writeTar(packedFiles(tree)), 'default'))],
    ['tar', async (tree) => treeAsTar(tree)],
    ['tar.gz', async (tree) => gzipSync(treeAsTar(tree))],
  ]
  it.each(packings)('%s', async (_, pack) => {
    await fc.assert(
      fc.asyncProperty(archiveTree, async (tree) => {
        const packed = await pack(tree)
        const contents = await withArchive(packed, contentsOf)
        expect(sorted(contents)).toEqual(sorted(tree))
        // What is sent to the machine is a tar that says the same.
        const [sent, last] = await withArchive(packed, async (archive) => [
          await collect(packEntries(archive)),
          await collect(packLinkDirectories(archive.entries) ?? piecesOf(tarEnd)),
        ])
        expect(
          sorted(new Map([...(await withArchive(sent!, contentsOf)), ...(await withArchive(last!, contentsOf))])),
        ).toEqual(sorted(tree))
      }),
      { numRuns: 30 },
    )
  })
})

async function* packedFiles(tree: ArchiveTree): AsyncGenerator<PackedFile> {
  for (const entry of tree.values()) {
    if (entry.type === 'hardlink') throw new Error('no zip has hard links')
    const content = Buffer.from(entry.content ?? '', 'latin1')
    yield {
      path: Buffer.from(entry.path),
      type: entry.type,
      mode: entry.mode,
      mtime: entry.mtime / 1000,
      size: content.length,
      target: Buffer.from('target' in entry ? entry.target : ''),
      bytes: piecesOf(content, 50_000),
    }
  }
}

function sorted(tree: ReadonlyMap<string, unknown>): unknown[] {
  return [...tree].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
}

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

function gzipWithName(name: string): Buffer {
  const plain = gzipSync('plain')
  const header = Buffer.from(plain.subarray(0, 10))
  header[3]! |= 0x08
  return Buffer.concat([header, Buffer.from(`${name}\0`), plain.subarray(10)])
}
