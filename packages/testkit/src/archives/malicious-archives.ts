import { gzipSync } from 'node:zlib'
import type { ArchiveErrorCode } from '@runner-core/job/internals'
import { paxItem, type TarItem, tarBytes, type ZipItem, zipBytes } from './archive-bytes.ts'

/** An archive that must not be unpacked, and what is said about it. */
export interface MaliciousArchive {
  readonly kind: string
  readonly bytes: Buffer
  readonly code: ArchiveErrorCode
  readonly message: RegExp
  /** It shows only when its bytes are unpacked: what came before it is written then, inside. */
  readonly showsLate?: boolean
}

const link = 0o120777
const directory = 0o040755
const text = Buffer.from('evil\n')

function zip(
  kind: string,
  items: readonly ZipItem[],
  code: ArchiveErrorCode,
  message: RegExp,
  showsLate = false,
): MaliciousArchive {
  return { kind: `zip: ${kind}`, bytes: zipBytes(items), code, message, showsLate }
}

function tar(kind: string, items: readonly TarItem[], code: ArchiveErrorCode, message: RegExp): MaliciousArchive {
  return { kind: `tar: ${kind}`, bytes: tarBytes(items), code, message }
}

const good: ZipItem = { name: 'good.txt', content: 'good\n' }
const goodTar: TarItem = { name: 'good.txt', content: 'good\n' }
const rejected: readonly (readonly [string, string | Buffer, RegExp])[] = [
  ['../ in a name', '../escaped', /leads out/],
  ['../ within a name', 'a/../../escaped', /leads out/],
  ['../ that stays inside', 'a/../b', /leads out/],
  ['.. at the end', 'a/..', /leads out/],
  ['an absolute name', '/tmp/escaped', /absolute/],
  ['an absolute name with two slashes', '//tmp/escaped', /absolute/],
  ['a Windows drive', 'C:\\Windows\\escaped', /drive/],
  ['a Windows drive without a directory', 'c:escaped', /drive/],
  ['backslashes that lead up', 'a\\..\\..\\escaped', /leads out/],
  ['backslashes and slashes that lead up', 'a/..\\escaped', /leads out/],
  ['an absolute Windows name', '\\\\server\\share', /absolute/],
  ['a line feed', 'good\n/tmp/escaped', /control character/],
  ['a terminal escape', 'a\x1b[2J', /control character/],
  ['a name that is not UTF-8', Buffer.from([0x66, 0xff, 0x66]), /not UTF-8/],
  ['overlong UTF-8', Buffer.from([0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x61]), /not UTF-8/],
  ['a git hook', '.git/hooks/post-checkout', /\.git/],
  ['a git hook in capitals', '.GIT/hooks/post-checkout', /\.git/],
  ['git configuration behind a dot', './/.git/config', /\.git/],
  ['.git itself', '.git', /\.git/],
  ['a name that is too long', `${'n'.repeat(256)}`, /too long/],
  ['no name but a dot', '.', /is a file/],
]

export const maliciousArchives: readonly MaliciousArchive[] = [
  ...rejected.map(([kind, name, message]) => zip(kind, [good, { name, content: text }], 'unsafe', message)),
  ...rejected.map(([kind, name, message]) => tar(kind, [goodTar, { name, content: text }], 'unsafe', message)),
  zip('a NUL in a name', [good, { name: 'a\0b', content: text }], 'unsafe', /control character/),
  zip('an empty name', [good, { name: '', content: text }], 'unsafe', /empty/),

  zip('a symlink to an absolute path', [good, { name: 'l', mode: link, content: '/etc' }], 'unsafe', /leads out/),
  zip('a symlink that leads up', [good, { name: 'd/l', mode: link, content: '../../x' }], 'unsafe', /leads out/),
  zip(
    'a symlink that leads up after going down',
    [good, { name: 'l', mode: link, content: 'a/../../x' }],
    'unsafe',
    /leads out/,
  ),
  zip(
    'a symlink that leads out through another one',
    [
      { name: 'a/b/up', mode: link, content: '../..' },
      { name: 'l', mode: link, content: 'a/b/up/../x' },
    ],
    'unsafe',
    /leads out/,
  ),
  zip(
    'a symlink that leads up from a name that may be anything',
    [good, { name: 'l', mode: link, content: 'unknown/../x' }],
    'unsafe',
    /leads out/,
  ),
  zip('a symlink without a target', [good, { name: 'l', mode: link, content: '' }], 'unsafe', /leads nowhere/),
  zip('a symlink with a NUL', [good, { name: 'l', mode: link, content: 'good.txt\0' }], 'unsafe', /control character/),
  zip(
    'a symlink with a huge target',
    [good, { name: 'l', mode: link, content: 'a/'.repeat(3000) }],
    'unsafe',
    /too long/,
  ),
  zip(
    'a file through a symlink',
    [
      { name: 'd', mode: link, content: '.' },
      { name: 'd/f', content: text },
    ],
    'unsafe',
    /through the symbolic link/,
  ),
  zip(
    'a file through a symlink that comes later',
    [
      { name: 'd/e/f', content: text },
      { name: 'd', mode: link, content: '.' },
    ],
    'unsafe',
    /through the symbolic link/,
  ),
  zip(
    'a symlink in place of a directory',
    [
      { name: 'd/', mode: directory },
      { name: 'd', mode: link, content: '.' },
    ],
    'unsafe',
    /twice/,
  ),
  zip('a device', [good, { name: 'dev', mode: 0o020666 }], 'unsafe', /a device/),
  zip('a FIFO', [good, { name: 'fifo', mode: 0o010666 }], 'unsafe', /a FIFO/),
  zip('a socket', [good, { name: 'socket', mode: 0o140666 }], 'unsafe', /a socket/),
  zip('one name twice', [good, good], 'unsafe', /twice/),
  zip('one name twice, differently written', [good, { name: './/good.txt', content: text }], 'unsafe', /twice/),
  zip('a file that is a directory, too', [good, { name: 'good.txt/x', content: text }], 'unsafe', /which is a file/),
  zip(
    'another name before the bytes',
    [good, { name: 'safe', localName: '../evil', content: text }],
    'damaged',
    /different name/,
  ),
  zip(
    'another name of the same length before the bytes',
    [good, { name: 'safe', localName: 'evil', content: text }],
    'damaged',
    /different name/,
  ),
  zip(
    'two names for the same bytes',
    [good, { ...good, name: 'goad.txt', sharedWith: 0 }],
    'damaged',
    /different name/,
  ),
  quine(),
  zip('an encrypted entry', [good, { name: 'secret', content: text, flags: 1 }], 'unsupported', /encrypted/),
  zip(
    'an unknown compression',
    [good, { name: 'lzma', content: text, method: 14 }],
    'unsupported',
    /unknown method 14/,
  ),
  zip('a bomb by ratio', [{ name: 'zeros', content: Buffer.alloc(1000), size: 2 ** 31 }], 'too_large', /200 times/),
  zip('a bad checksum', [good, { name: 'bad', content: text, crc32: 1 }], 'damaged', /checksum of "bad"/, true),
  zip(
    'a file longer than it says',
    [good, { name: 'long', content: Buffer.alloc(5000), size: 4000 }],
    'damaged',
    /larger|longer/,
    true,
  ),
  zip(
    'a large file longer than it says',
    [good, { name: 'long', content: Buffer.alloc(600_000, 7), size: 500_000 }],
    'damaged',
    /longer than its declared 500000/,
    true,
  ),
  zip(
    'a file shorter than it says',
    [good, { name: 'short', content: Buffer.alloc(5000), size: 6000 }],
    'damaged',
    /truncated/,
    true,
  ),
  { kind: 'zip: cut short', bytes: zipBytes([good, good]).subarray(0, -30), code: 'damaged', message: /damaged/ },
  { kind: 'zip: nothing but its beginning', bytes: Buffer.from('PK\x03\x04'), code: 'damaged', message: /damaged/ },
  {
    kind: 'an error page in place of a zip',
    bytes: Buffer.from('<html>Bad gateway</html>'),
    code: 'damaged',
    message: /neither a zip/,
  },

  tar(
    'a symlink to an absolute path',
    [goodTar, { name: 'l', typeflag: '2', linkname: '/etc' }],
    'unsafe',
    /leads out/,
  ),
  tar('a symlink that leads up', [goodTar, { name: 'd/l', typeflag: '2', linkname: '../../x' }], 'unsafe', /leads out/),
  tar(
    'a symlink that leads up in a pax header',
    [goodTar, paxItem({ linkpath: '../x' }), { name: 'l', typeflag: '2', linkname: 'good.txt' }],
    'unsafe',
    /leads out/,
  ),
  tar(
    'a file through a symlink',
    [
      { name: 'd', typeflag: '2', linkname: '.' },
      { name: 'd/f', content: text },
    ],
    'unsafe',
    /through the symbolic link/,
  ),
  tar(
    'a hard link outside',
    [goodTar, { name: 'h', typeflag: '1', linkname: '../../etc/passwd' }],
    'unsafe',
    /leads out/,
  ),
  tar(
    'a hard link to an absolute path',
    [goodTar, { name: 'h', typeflag: '1', linkname: '/etc/passwd' }],
    'unsafe',
    /absolute/,
  ),
  tar(
    'a hard link to what the archive has not',
    [goodTar, { name: 'h', typeflag: '1', linkname: 'secret' }],
    'unsafe',
    /not a file of the archive/,
  ),
  tar(
    'a hard link to a symlink',
    [goodTar, { name: 'l', typeflag: '2', linkname: 'good.txt' }, { name: 'h', typeflag: '1', linkname: 'l' }],
    'unsafe',
    /not a file of the archive/,
  ),
  tar('a character device', [goodTar, { name: 'null', typeflag: '3' }], 'unsafe', /a device/),
  tar('a block device', [goodTar, { name: 'sda', typeflag: '4' }], 'unsafe', /a device/),
  tar('a FIFO', [goodTar, { name: 'fifo', typeflag: '6' }], 'unsafe', /a FIFO/),
  tar('one name twice', [goodTar, goodTar], 'unsafe', /twice/),
  tar('another name in a pax header', [paxItem({ path: '../escaped' }), goodTar], 'unsafe', /leads out/),
  tar('another name for all in a pax header', [paxItem({ path: 'x' }, 'g'), goodTar], 'unsupported', /one name/),
  tar('a NUL in the name of a pax header', [paxItem({ path: 'a\0b' }), goodTar], 'unsafe', /control character/),
  tar(
    'a long name that leads up',
    [{ name: `${'n/'.repeat(60)}${'../'.repeat(61)}escaped`, content: text }],
    'unsafe',
    /leads out/,
  ),
  tar('a sparse file', [goodTar, { name: 'sparse', typeflag: 'S' }], 'unsupported', /sparse/),
  tar('an unknown kind', [goodTar, { name: 'x', typeflag: 'Z' }], 'unsupported', /unknown kind/),
  tar(
    'a directory with bytes',
    [goodTar, { name: 'd/', typeflag: '5', content: text }],
    'damaged',
    /not a file but has content/,
  ),
  tar('an endless name', [goodTar, { name: 'pax', typeflag: 'x', size: 2 ** 33 }], 'damaged', /a name of/),
  {
    kind: 'tar: cut short in a file',
    bytes: tarBytes([{ name: 'f', content: Buffer.alloc(5000) }]).subarray(0, 2000),
    code: 'damaged',
    message: /truncated/,
  },
  {
    kind: 'tar: cut short between files',
    bytes: tarBytes([goodTar], Buffer.alloc(0)),
    code: 'damaged',
    message: /truncated/,
  },
  {
    kind: 'tar.gz: cut short',
    bytes: gzipSync(tarBytes([goodTar])).subarray(0, -4),
    code: 'damaged',
    message: /damaged/,
  },
  {
    kind: 'tar.gz: a bad checksum',
    bytes: withBadTrailer(gzipSync(tarBytes([goodTar]))),
    code: 'damaged',
    message: /damaged/,
  },
  {
    kind: 'tar.gz: names that lead up',
    bytes: gzipSync(tarBytes([goodTar, { name: '../escaped' }])),
    code: 'unsafe',
    message: /leads out/,
  },
  { kind: 'gzip: a file named ..', bytes: gzipNamed('..'), code: 'unsafe', message: /leads out/ },
]

/**
 * Many names for the same bytes: what makes a small archive come to petabytes. The names before the bytes cannot all
 * fit, so each has its own header within the bytes of the one before.
 */
function quine(): MaliciousArchive {
  const inner = zipBytes([{ name: 'b', content: 'kernel', stored: true }])
  const innerEntry = inner.subarray(0, inner.length - 22 - (46 + 1 + 9))
  // The bytes of `a` are the header and the bytes of `b`.
  const outer = zipBytes([
    { name: 'a', content: innerEntry, stored: true },
    { name: 'b', content: 'kernel', stored: true },
  ])
  const listed = outer.indexOf('PK\x01\x02', 0, 'latin1')
  const second = outer.indexOf('PK\x01\x02', listed + 1, 'latin1')
  const bytes = Buffer.from(outer)
  bytes.writeUInt32LE(outer.indexOf('PK\x03\x04', 4, 'latin1'), second + 42)
  return { kind: 'zip: entries within one another', bytes, code: 'unsafe', message: /overlap/ }
}

function withBadTrailer(gzip: Buffer): Buffer {
  const bytes = Buffer.from(gzip)
  bytes[bytes.length - 8]! ^= 0xff
  return bytes
}

function gzipNamed(name: string): Buffer {
  const plain = gzipSync('content')
  const header = Buffer.from(plain.subarray(0, 10))
  header[3]! |= 0x08
  return Buffer.concat([header, Buffer.from(`${name}\0`), plain.subarray(10)])
}
