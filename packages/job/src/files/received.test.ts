import { expect, test, vi } from 'vitest'
import type { JobEnvironment } from '../job-environment.ts'

const mebibyte = 1024 * 1024

/** What is imported anew sees whether there is a `gc`. */
async function receiveAll(mebibytes: number): Promise<Buffer[]> {
  vi.resetModules()
  const { received } = await import('./received.ts')
  const environment: Pick<JobEnvironment, 'transfer'> = {
    async transfer({ stdout }) {
      for (let sent = 0; sent < mebibytes; sent++) await stdout(Buffer.alloc(mebibyte, sent))
      return { exitCode: 0 }
    },
  }
  const chunks: Buffer[] = []
  for await (const chunk of received({ environment, what: 'a test', command: '', signal: new AbortController().signal })) chunks.push(chunk)
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
