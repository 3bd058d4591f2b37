import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Spool } from './spool.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spool-test-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function readAll(spool: Spool, from = 0, maxBytes = 1024): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let offset = from; offset < spool.size; ) {
    const piece = await spool.read(offset, maxBytes)
    expect(piece.length).toBeGreaterThan(0)
    expect(piece.length).toBeLessThanOrEqual(maxBytes)
    pieces.push(Buffer.from(piece))
    offset += piece.length
  }
  return Buffer.concat(pieces)
}

describe('Spool', () => {
  it('leaves a piece as it is that was read while its block went to the file', async () => {
    const spool = new Spool({ memoryBytes: 8192, directory })
    const blockBytes = 4096
    for (let block = 0; block < 64; block++) spool.append(Buffer.alloc(blockBytes, block))
    const pieces: { readonly at: number; readonly piece: Buffer }[] = []
    for (let at = 0; spool.backlog() !== undefined; ) {
      // The oldest block in memory is on its way to the file; what is there already has to be waited for.
      const piece = spool.read(at, 16)
      if (piece instanceof Buffer) {
        pieces.push({ at, piece })
        await new Promise((resolve) => setImmediate(resolve))
      } else at += blockBytes
    }
    // Fills the memory that is free again.
    for (let count = 0; count < 64; count++) {
      spool.append(Buffer.alloc(blockBytes, 255))
      await spool.backlog()
    }
    expect(pieces.length).toBeGreaterThan(0)
    expect(pieces.map(({ piece }) => [...piece])).toEqual(
      pieces.map(({ at }) => Array.from({ length: 16 }, () => at / blockBytes)),
    )
    await spool.close()
  })

  it('gives back anything that was appended, from anywhere, at any time', async () => {
    const anyAppend = fc.record({ bytes: fc.integer({ min: 0, max: 9000 }), wait: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyAppend, { maxLength: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 700, max: 10_000 }),
        async (appends, from, maxBytes) => {
          const spool = new Spool({ memoryBytes: 4096, directory })
          const all: Buffer[] = []
          for (const { bytes, wait } of appends) {
            const chunk = Buffer.alloc(bytes, all.length)
            all.push(Buffer.from(chunk))
            spool.append(chunk)
            chunk.fill(255)
            if (wait) await spool.backlog()
            const offset = Math.floor(from * spool.size)
            expect((await readAll(spool, offset, maxBytes)).equals(Buffer.concat(all).subarray(offset))).toBe(true)
          }
          await spool.close()
        },
      ),
      { numRuns: 100 },
    )
  })

  it('touches no disk while it is small', async () => {
    const spool = new Spool({ memoryBytes: 4096, directory: join(directory, 'missing') })
    spool.append(Buffer.alloc(4096))
    expect(spool.backlog()).toBeUndefined()
    await spool.close()
    expect(spool.error).toBeUndefined()
  })

  it('pushes back while the disk lags, and leaves no name on it', async () => {
    const spool = new Spool({ memoryBytes: 4096, directory })
    spool.append(Buffer.alloc(20_000))
    expect(spool.backlog()).toBeInstanceOf(Promise)
    await spool.backlog()
    expect(spool.backlog()).toBeUndefined()
    expect(await readdir(directory)).toEqual([])
    expect((await readAll(spool)).length).toBe(20_000)
    await spool.close()
  })

  it('never changes what it gave out', async () => {
    const spool = new Spool({ memoryBytes: 4096, directory })
    spool.append(Buffer.alloc(4096, 'a'))
    const early = await spool.read(0, 4096)
    for (let round = 0; round < 5; round++) {
      spool.append(Buffer.alloc(10_000, 'b'))
      await spool.backlog()
    }
    expect(early.equals(Buffer.alloc(4096, 'a'))).toBe(true)
    await spool.close()
  })

  it('keeps what it has when the disk fails, and says so', async () => {
    const spool = new Spool({ memoryBytes: 4096, directory: join(directory, 'missing') })
    spool.append(Buffer.alloc(20_000, 'x'))
    await spool.backlog()
    expect(spool.error).toMatchObject({ code: 'ENOENT' })
    spool.append(Buffer.from('end'))
    expect(spool.backlog()).toBeUndefined()
    expect((await readAll(spool)).toString()).toBe(`${'x'.repeat(20_000)}end`)
    await spool.close()
  })
})
