import { crc32 } from '@runner-core/job'
import { expect, test } from 'vitest'
import type { JobReply } from './job-reply.ts'
import { type SentTrace, TraceUpload } from './trace-upload.ts'

const text = Buffer.from('0123456789')
const checksum = (end: number): number => crc32(text.subarray(0, end), 0)

function upload(sent: SentTrace | undefined, server: { size: number }) {
  const trace = {
    size: 0,
    read(offset: number, most: number) {
      if (offset >= trace.size) throw new Error(`nothing is there at ${offset}`)
      return text.subarray(offset, Math.min(trace.size, offset + most))
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
  const options = { isDebugTrace: false, sent, onSent: (now: SentTrace) => void kept.push(now), onMismatch: () => void mismatches++ }
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

test('a trace that ended before it was made again as far as it was sent, as of a job that was canceled meanwhile, is sent anew', async () => {
  const server = { size: 6 }
  const { upload: sending, trace, pieces, mismatches } = upload({ bytes: 6, crc32: checksum(6) }, server)
  trace.size = 4
  expect(sending.unsentBytes).toBe(0)
  // It was told the end, and its checksum is another: a server forgets the trace then.
  server.size = 0
  sending.rewind()
  await sending.sendPiece()
  expect(pieces).toEqual(['0123'])
  expect(mismatches()).toBe(1)
})
