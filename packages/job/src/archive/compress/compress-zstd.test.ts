import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { compressZstd } from './compress-zstd.ts'
import { decompress } from './decompress.ts'

async function* pieces(content: Buffer, failure?: Error, size = 50_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
  if (failure !== undefined) throw failure
}
async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('what was compressed comes back, each level does it in its own way, and what the source throws comes out', async () => {
  const words = Array.from({ length: 500 }, () => randomBytes(9).toString('base64'))
  const content = Buffer.from(Array.from(randomBytes(200_000), (byte, index) => words[(byte + index) % 500]).join(' '))
  const results: Buffer[] = []
  for (const level of ['fastest', 'default', 'slowest']) {
    const compressed = await collect(compressZstd(pieces(content), level))
    expect((await collect(decompress(pieces(compressed), 'zstd'))).equals(content)).toBe(true)
    results.push(compressed)
    expect((await collect(compressZstd(pieces(content, undefined, 1000), level))).equals(compressed)).toBe(true)
  }
  expect(Math.max(...results.map(({ length }) => length))).toBeLessThan(content.length / 2)
  expect(new Set(results.map((result) => result.toString('base64'))).size).toBe(3)
  expect(await collect(compressZstd(pieces(content), 'no such level'))).toEqual(results[1]!)
  await expect(collect(compressZstd(pieces(content, new Error('lost')), 'fast'))).rejects.toThrow('lost')
})
