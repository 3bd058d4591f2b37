import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Trace, type TraceAuthor, type TraceOptions } from './trace.ts'

async function textOf(trace: Trace): Promise<string> {
  const pieces: Buffer[] = []
  for (let offset = 0; offset < trace.size; ) {
    const piece = await trace.read(offset, 100_000)
    pieces.push(piece)
    offset += piece.length
  }
  const bytes = Buffer.concat(pieces)
  expect(trace.crc32).toBe(crc32(bytes))
  return bytes.toString()
}

async function traceOf(chunks: readonly (Buffer | string)[], options: Partial<TraceOptions> = {}): Promise<string> {
  const trace = new Trace({ secrets: [], ...options })
  for (const chunk of chunks) await trace.write(chunk)
  trace.end()
  const text = await textOf(trace)
  await trace.close()
  return text
}

const notice = (text: string): string => `\n\x1b[33;1m${text}\nJob execution will continue but no more output will be collected.\x1b[0;m\n`

describe('the chain', () => {
  it('repairs, then masks: a secret after broken bytes is found, checksum and size are those of the output', async () => {
    const chunks = [
      Buffer.from([0xff, 0x41, 0xe2, 0x82]),
      Buffer.from('ses'),
      Buffer.from('ame glpat-'),
      Buffer.from('x?'),
      Buffer.from('private_token=y'),
    ]
    expect(await traceOf(chunks, { secrets: ['sesame'] })).toBe('\ufffdA\ufffd[MASKED] glpat-[MASKED]?private_token=[MASKED]')
  })

  it('trims secrets, ignores empty ones, masks the lines of long ones and takes more prefixes', async () => {
    const output = await traceOf(['  first line\r\nsecond line\n. custom-abc'], {
      secrets: [' ', '', '\tsecond line ', 'first line\nsecond line'],
      tokenPrefixes: ['custom-', ''],
    })
    expect(output).toBe('  [MASKED]\r\n[MASKED]\n. custom-[MASKED]')
  })

  it('masks a secret of two megabytes, in any chunks', async () => {
    const secret = 'abcdefghij'.repeat(200_000)
    const chunks = Array.from({ length: 40 }, (_, index) => Buffer.from(secret.slice(index * 50_000, (index + 1) * 50_000)))
    expect(await traceOf(['<', ...chunks, '>'], { secrets: [secret] })).toBe('<[MASKED]>')
  })

  it('takes a line of 30 MB at once', async () => {
    const output = await traceOf([Buffer.alloc(30_000_000, 'x'), Buffer.alloc(1000, 0xff)], { limitBytes: 100_000_000 })
    expect(output).toHaveLength(30_001_000)
    expect(output.endsWith('x\ufffd'.padEnd(1001, '\ufffd'))).toBe(true)
  })

  it('masks a secret from when it is added', async () => {
    const trace = new Trace({ secrets: [] })
    await trace.write('late ')
    trace.addSecret(' late\n')
    await trace.write('late')
    trace.end()
    expect(await textOf(trace)).toBe('late [MASKED]')
  })
})

describe('the limit', () => {
  it("cuts at the end of a character and says so in upstream's words", async () => {
    expect(await traceOf(['ab', 'c€€', 'lost'], { limitBytes: 8 })).toBe(`abc€${notice("Job's log exceeded limit of 8 bytes.")}`)
    expect(await traceOf(['abc€'], { limitBytes: 6 })).toBe('abc€')
    expect(await traceOf(['abc€', 'd'], { limitBytes: 6 })).toBe(`abc€${notice("Job's log exceeded limit of 6 bytes.")}`)
  })

  it('counts masked bytes', async () => {
    expect(await traceOf(['secretsecretsecret!'], { secrets: ['secretsecretsecret'], limitBytes: 9 })).toBe('[MASKED]!')
  })

  it('holds for any text in any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' })), fc.nat(60), async (chunks, limitBytes) => {
        const whole = Buffer.from(await traceOf(chunks))
        const output = await traceOf(chunks, { limitBytes })
        if (whole.length <= limitBytes) {
          expect(output).toBe(whole.toString())
          return
        }
        const kept = Buffer.from(output.slice(0, output.indexOf(notice(`Job's log exceeded limit of ${limitBytes} bytes.`))))
        expect(whole.subarray(0, kept.length).equals(kept)).toBe(true)
        expect(kept.length).toBeLessThanOrEqual(limitBytes)
        expect(kept.length).toBeGreaterThan(limitBytes - 4)
      }),
    )
  })
})

describe('a disk that fails', () => {
  it('ends the log with a notice, not the job', async () => {
    const trace = new Trace({ secrets: [], memoryBytes: 1000, spoolDirectory: '/does/not/exist' })
    await trace.write(Buffer.alloc(9000, 'x'))
    await trace.write('more')
    await trace.write('dropped')
    trace.end()
    expect(await textOf(trace)).toBe(`${'x'.repeat(9000)}more${notice("Job's log could not be stored (ENOENT).")}`)
    await trace.close()
  })
})

describe('listeners', () => {
  it('hear who made the log longer, until they do not want to', async () => {
    const heard: TraceAuthor[] = []
    const trace = new Trace({ secrets: ['abc'] })
    const stop = trace.onGrow((author) => heard.push(author))
    await trace.write('text')
    await trace.write(Buffer.from('bytes'))
    await trace.write(Buffer.from('ab'))
    expect(heard).toEqual(['runner', 'job'])
    trace.end()
    expect(heard).toHaveLength(3)
    stop()
    await trace.write('after the end')
    expect(heard).toHaveLength(3)
    expect(await textOf(trace)).toBe('textbytesab')
  })
})
