export interface DirectoryEntry {
  /** Absolute. */
  readonly path: string
  readonly mode: number
  readonly mtimeMs: number
}

/**
 * An archive of directories alone, in tar's format with GNU's long names: unpacked over directories that are there, it
 * changes their modes.
 */
export function directoryEntries(entries: readonly DirectoryEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, mode, mtimeMs }) => {
    const name = Buffer.from(`${path.replace(/^\/+|\/+$/g, '')}/`)
    const long = name.length > longestName ? longName(name) : []
    return [...long, header({ name, type: '5', mode, mtimeMs, size: 0 })]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)])
}

const blockBytes = 512
const longestName = 100

function longName(name: Buffer): readonly Buffer[] {
  const size = name.length + 1
  const content = Buffer.alloc(Math.ceil(size / blockBytes) * blockBytes)
  name.copy(content)
  return [header({ name: Buffer.from('././@LongLink'), type: 'L', mode: 0, mtimeMs: 0, size }), content]
}

interface Header {
  readonly name: Buffer
  readonly type: string
  readonly mode: number
  readonly mtimeMs: number
  readonly size: number
}

function header({ name, type, mode, mtimeMs, size }: Header): Buffer {
  const block = Buffer.alloc(blockBytes)
  name.copy(block, 0, 0, longestName)
  const octal = (value: number, at: number, length: number): void =>
    void block.write(
      `${Math.floor(value)
        .toString(8)
        .padStart(length - 1, '0')}\0`,
      at,
      'latin1',
    )
  octal(mode, 100, 8)
  // Owner and group: root.
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(Math.max(0, mtimeMs / 1000), 136, 12)
  block.write(type, 156, 'latin1')
  block.write('ustar  \0', 257, 'latin1')
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
