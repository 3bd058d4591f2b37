import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { constants, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib'
import { inBlocks } from './in-blocks.ts'

const deflate: (bytes: Buffer, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw)

/**
 * Each block is packed on its own, on another thread: small enough that several fit into the memory, large enough that
 * little is lost between them.
 */
export const blockBytes: number = 512 * 1024
/**
 * Blocks that may be packed, or wait to be, while another is looked at: one for each core that zlib's four threads can
 * have, and one that waits. More would only lie there.
 */
export const blocksAhead: number = Math.min(4, availableParallelism()) + 1
/** How far back a block may refer to. */
const windowBytes = 32 * 1024
const sampleBytes = 8 * 1024
/** A sample that keeps more than this of its length says that its block is not worth packing. */
const worthPacking = 0.97
/** Where a sample was worth packing, so many blocks are packed without another look. */
const blocksPerSample = 8

/** What a deflate stream made of blocks ends with. */
export const deflateEnd: Buffer = Buffer.from([0x03, 0x00])

/** A part of a deflate stream, which ends at a byte. */
export interface DeflatedBlock {
  /** What it says. Its memory is used again once {@link blocksAhead} more blocks were asked for after the next one. */
  readonly bytes: Buffer
  readonly packed: Promise<Buffer>
}

/**
 * The parts of a deflate stream, up to {@link deflateEnd}: any number of them may be waited for at once. What does not
 * become shorter is taken as it is. The same bytes at the same level always come to the same, however they are cut.
 */
export async function* deflateBlocks(
  source: AsyncIterable<Buffer>,
  level: number,
): AsyncGenerator<DeflatedBlock, void, undefined> {
  // As many as may be looked at, packed or needed as the one before at a time.
  const memory = Array.from({ length: blocksAhead + 3 }, (): Buffer | undefined => undefined)
  let before: Buffer | undefined
  let untilSample = 0
  let number = 0
  for await (const bytes of inBlocks(
    source,
    blockBytes,
    () => (memory[number++ % memory.length] ??= Buffer.allocUnsafeSlow(blockBytes)),
  )) {
    let packed: Promise<Buffer>
    if (level > 0 && untilSample === 0) untilSample = isWorthPacking(bytes) ? blocksPerSample : 0
    if (untilSample > 0) {
      untilSample--
      packed = deflateBlock(bytes, before, level)
      // Whoever waits for it hears of it; nobody may, any more.
      packed.catch(() => {})
    } else packed = Promise.resolve(storedBlocks(bytes))
    yield { bytes, packed }
    before = bytes
  }
}

/** `before`: what comes right before in the same stream. */
async function deflateBlock(block: Buffer, before: Buffer | undefined, level: number): Promise<Buffer> {
  const dictionary = before?.subarray(-windowBytes)
  const packed = await deflate(block, {
    level,
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: block.length + 1024,
    ...(dictionary !== undefined && { dictionary }),
  })
  return packed.length < block.length ? packed : storedBlocks(block)
}

/** A whole deflate stream, or undefined where it would not be shorter. */
export async function deflateWhole(bytes: Buffer, level: number): Promise<Buffer | undefined> {
  if (level === 0 || !isWorthPacking(bytes)) return undefined
  const packed = await deflate(bytes, { level, chunkSize: Math.max(64, bytes.length + 64) })
  return packed.length < bytes.length ? packed : undefined
}

function isWorthPacking(block: Buffer): boolean {
  if (block.length <= 2 * sampleBytes) return true
  const start = (block.length - sampleBytes) >> 1
  const sample = block.subarray(start, start + sampleBytes)
  return deflateRawSync(sample, { level: 1 }).length < sampleBytes * worthPacking
}

const longestStored = 0xffff

function storedBlocks(block: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < block.length; at += longestStored) {
    const bytes = block.subarray(at, at + longestStored)
    const header = Buffer.alloc(5)
    header.writeUInt16LE(bytes.length, 1)
    header.writeUInt16LE(bytes.length ^ 0xffff, 3)
    parts.push(header, bytes)
  }
  return Buffer.concat(parts)
}
