import { expect, test, vi } from 'vitest'
import type { JobEnvironment } from '../job-environment.ts'
import { received } from './received.ts'

const mebibyte = 1024 * 1024

/** What is imported anew sees whether there is a `gc`. */
async function receiveAll(mebibytes: number): Promise<Buffer[]> {
  vi.resetModules()
  const { received: receivedAnew } = await import('./received.ts')
  const environment: Pick<JobEnvironment, 'transfer'> = {
    async transfer({ stdout }) {
      for (let sent = 0; sent < mebibytes; sent++) await stdout(Buffer.alloc(mebibyte, sent))
      return { exitCode: 0 }
    },
  }
  const chunks: Buffer[] = []
  for await (const chunk of receivedAnew({
    environment,
    what: 'a test',
    command: '',
    signal: new AbortController().signal,
  }))
    chunks.push(chunk)
  return chunks
}

test('while bytes come, buffers are collected where Node was started with --expose-gc, and nothing else happens where not', async () => {
  const gc = vi.fn()
  vi.stubGlobal('gc', gc)
  try {
    // They are kept, so that memory grows whatever the engine does.
    const chunks = await receiveAll(40)
    expect(chunks.map((chunk) => chunk[0])).toEqual(Array.from({ length: 40 }, (_, index) => index))
    expect(gc).toHaveBeenCalledWith({ type: 'minor' })
    expect(gc).toHaveBeenCalledWith({ type: 'major' })
    expect(gc.mock.calls.length).toBeLessThanOrEqual(40 / 8)
    vi.stubGlobal('gc', undefined)
    gc.mockClear()
    expect(await receiveAll(40)).toHaveLength(40)
    expect(gc).not.toHaveBeenCalled()
  } finally {
    vi.unstubAllGlobals()
  }
})

test('a reader that stops goes on once the command is ended: what ends it would end whatever the job does next', async () => {
  let hasEnded = false
  const environment: Pick<JobEnvironment, 'transfer'> = {
    async transfer({ stdout, signal }) {
      void stdout(Buffer.alloc(mebibyte))
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await new Promise((resolve) => setImmediate(resolve))
      hasEnded = true
      throw signal.reason
    },
  }
  for await (const _ of received({ environment, what: 'a test', command: '', signal: new AbortController().signal }))
    break
  expect(hasEnded).toBe(true)
})
