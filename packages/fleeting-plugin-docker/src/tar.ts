/** A file to put into a container; root owns it. */
export interface TarFile {
  readonly name: string
  readonly mode: number
  readonly content: string
}

const blockSize = 512

/** A tar archive (ustar) of a few small files. */
export function tar(files: readonly TarFile[]): Buffer {
  return Buffer.concat([...files.flatMap(entry), Buffer.alloc(2 * blockSize)])
}

function entry({ name, mode, content }: TarFile): Buffer[] {
  const data = Buffer.from(content)
  const header = Buffer.alloc(blockSize)
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`
  header.write(name, 0, 100)
  header.write(octal(mode, 8), 100)
  header.write(octal(0, 8), 108)
  header.write(octal(0, 8), 116)
  header.write(octal(data.length, 12), 124)
  header.write(octal(0, 12), 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  // The checksum counts its own field as blanks.
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return [header, data, Buffer.alloc((blockSize - (data.length % blockSize)) % blockSize)]
}
