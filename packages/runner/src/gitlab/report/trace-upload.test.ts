import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { JobReply } from '../job-reply.ts'
import { type SentTrace, TraceUpload } from './trace-upload.ts'

const text = Buffer.from('0123456789')
const checksum = (end: number): number => crc32(text.subarray(0, end), 0)

function upload(sent: SentTrace | undefined, server: { size: number }, content = text) {
  const trace = {
    size: 0,
    read(offset: number, most: number) {
      if (offset >= trace.size) throw new Error(`nothing is there at ${offset}`)
      return content.subarray(offset, Math.min(trace.size, offset + most))
    },
  }
  const kept: SentTrace[] = []
  const pieces: string[] = []
  let mismatches = 0
  const client = {
    patchTrace: async (_job: unknown, { start, bytes }: { readonly start: number; readonly bytes: Buffer }) => {
      if (start !== server.size) return { status: 416, traceSize: server.size } as JobReply
      server.size += bytes.length
      pieces.push(bytes.toString())
      return { status: 202 } as JobReply
    },
  }
  const options = {
    isDebugTrace: false,
    sent,
    onSent: (now: SentTrace) => void kept.push(now),
    onMismatch: () => void mismatches++,
  }
  const made = new TraceUpload(client, { id: 1, token: 't' }, trace, options)
  return { upload: made, trace, kept, pieces, mismatches: () => mismatches }
}

test('what an earlier manager sent is not sent again while the trace is made again, nor after', async () => {
  const { upload: sending, trace, kept, pieces, mismatches } = upload({ bytes: 4, crc32: checksum(4) }, { size: 4 })
  trace.size = 3
  expect(sending.unsentBytes).toBe(0)
  trace.size = 6
  expect(sending.unsentBytes).toBe(2)
  await sending.sendPiece()
  expect(pieces).toEqual(['45'])
  expect(kept).toEqual([{ bytes: 6, crc32: checksum(6) }])
  expect(mismatches()).toBe(0)
})

test('a trace that is made again otherwise is noticed, once', async () => {
  const { upload: sending, trace, mismatches } = upload({ bytes: 4, crc32: 1 }, { size: 4 })
  trace.size = 6
  await sending.sendPiece()
  trace.size = 8
  await sending.sendPiece()
  expect(mismatches()).toBe(1)
})

test('a server that knows more than was kept is followed, also beyond what there is again, and what is kept then is right', async () => {
  const { upload: sending, trace, kept, pieces } = upload({ bytes: 2, crc32: checksum(2) }, { size: 7 })
  trace.size = 5
  expect((await sending.sendPiece()).status).toBe(416)
  expect(sending.unsentBytes).toBe(0)
  trace.size = 9
  await sending.sendPiece()
  expect(pieces).toEqual(['78'])
  expect(kept).toEqual([{ bytes: 9, crc32: checksum(9) }])
})

describe('a trace that ended before it was made again as far as an earlier manager sent it', () => {
  const begin = async (serverSize: number, said = 'ab\nthe end\n') => {
    const server = { size: serverSize }
    const made = upload({ bytes: 20, crc32: 1 }, server, Buffer.from(said))
    made.trace.size = said.length
    expect(made.upload.unsentBytes).toBe(0)
    await made.upload.end()
    await made.upload.end()
    return { ...made, server }
  }

  test('leaves what the server has, and adds its last line', async () => {
    const { upload: sending, pieces, kept, mismatches, server } = await begin(20)
    await sending.sendPiece()
    expect([pieces, server.size, sending.unsentBytes, sending.isWhole]).toEqual([['the end\n'], 28, 0, false])
    expect([kept, mismatches()]).toEqual([[], 0])
  })

  test('adds it where the server stands, once, also when the answer was lost', async () => {
    const { upload: sending, pieces, server } = await begin(25)
    expect((await sending.sendPiece()).status).toBe(416)
    await sending.sendPiece()
    expect([pieces, server.size, sending.unsentBytes]).toEqual([['the end\n'], 33, 0])
    const lost = await begin(28)
    expect((await lost.upload.sendPiece()).status).toBe(416)
    expect([lost.pieces, lost.upload.unsentBytes]).toEqual([[], 0])
  })

  test('is sent from where the server stands if that has less than was made again', async () => {
    const { upload: sending, pieces, server } = await begin(0)
    expect((await sending.sendPiece()).status).toBe(416)
    await sending.sendPiece()
    expect([pieces, server.size, sending.unsentBytes, sending.isWhole]).toEqual([['ab\nthe end\n'], 11, 0, true])
  })

  test('adds all of it where that is one line, and nothing where nothing was said', async () => {
    const { upload: sending, pieces } = await begin(20, 'the end\n')
    await sending.sendPiece()
    expect(pieces).toEqual(['the end\n'])
    expect((await begin(20, '')).upload.unsentBytes).toBe(0)
  })
})
