import { createCipheriv } from 'node:crypto'
import { createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export const mebibyte: number = 1024 * 1024

/** What `writeMix` writes, for people. */
export const mixWords =
  '1 GiB: a quarter logs, a quarter programs (of this Node), 7/16 that nothing makes smaller (as pictures, packages and archives are) in files of 8 MiB, 1/16 source files as they lie in node_modules'

/** Writes 1 GiB of what jobs leave into a directory. */
export async function writeMix(directory: string, modules: string): Promise<void> {
  for (const name of ['logs', 'bin', 'packages', 'src']) mkdirSync(join(directory, name), { recursive: true })
  for (let index = 0; index < 4; index++)
    await writeFile(join(directory, 'logs', `build-${index}.log`), 64 * mebibyte, logLines(index))
  const program = readFileSync(process.execPath).subarray(0, 64 * mebibyte)
  for (let index = 0; index < 4; index++)
    writeFileSync(join(directory, 'bin', `program-${index}`), program, { mode: 0o755 })
  for (let index = 0; index < 56; index++)
    await writeFile(join(directory, 'packages', `package-${index}.bin`), 8 * mebibyte, noise(index))
  copySources(modules, join(directory, 'src'), 64 * mebibyte)
}

/** Writes one file that nothing makes smaller. */
export async function writeNoise(file: string, bytes: number): Promise<void> {
  await writeFile(file, bytes, noise(0))
}

async function writeFile(file: string, bytes: number, pieces: Generator<Buffer>): Promise<void> {
  function* upTo(): Generator<Buffer> {
    let left = bytes
    for (const piece of pieces) {
      yield piece.subarray(0, left)
      left -= piece.length
      if (left <= 0) return
    }
  }
  await pipeline(Readable.from(upTo(), { objectMode: false }), createWriteStream(file))
}

function* noise(seed: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed + 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(mebibyte)
  for (;;) yield cipher.update(zeros)
}

const words = [
  'compiling',
  'src/index.ts',
  'warning:',
  'unused',
  'variable',
  'PASS',
  'test',
  'took',
  'ms',
  'fetching',
  'https://example.invalid/package',
  'ok',
  'error',
  'linking',
]

function* logLines(seed: number): Generator<Buffer> {
  const random = noise(seed).next().value as Buffer
  let at = 0
  for (let line = 0; ; ) {
    let text = ''
    while (text.length < 256 * 1024) {
      const chosen = Array.from(
        { length: 4 + (random[at % random.length]! & 7) },
        () => words[random[at++ % random.length]! % words.length],
      )
      text += `2026-01-01T00:00:${String(line++ % 60).padStart(2, '0')}.${String((line * 7919) % 1000).padStart(3, '0')}Z [job ${line}] ${chosen.join(' ')} 0x${random.readUInt32LE(at % 1_000_000).toString(16)}\n`
    }
    yield Buffer.from(text)
  }
}

function copySources(from: string, to: string, bytes: number): void {
  let left = bytes
  let round = 0
  while (left > 0) {
    round += 1
    for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(js|ts|json|md|map)$/.test(entry.name) || left <= 0) continue
      const content = readFileSync(join(entry.parentPath, entry.name))
      if (content.length > mebibyte) continue
      const directory = join(to, String(round), entry.parentPath.slice(from.length))
      mkdirSync(directory, { recursive: true })
      writeFileSync(join(directory, entry.name), content.subarray(0, left))
      left -= content.length
    }
  }
}
