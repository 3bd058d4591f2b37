import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LineTimes, type LineTimesRecord, type TraceAuthor } from './line-times.ts'
import { Trace, type TraceOptions } from './trace.ts'

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

const notice = (text: string): string =>
  `\n\x1b[33;1m${text}\nJob execution will continue but no more output will be collected.\x1b[0;m\n`

describe('the chain', () => {
  it('repairs, then masks: a secret after broken bytes is found, checksum and size are those of the output', async () => {
    const chunks = [
      Buffer.from([0xff, 0x41, 0xe2, 0x82]),
      Buffer.from('ses'),
      Buffer.from('ame glpat-'),
      Buffer.from('x?'),
      Buffer.from('private_token=y'),
    ]
    expect(await traceOf(chunks, { secrets: ['sesame'] })).toBe(
      '\ufffdA\ufffd[MASKED] glpat-[MASKED]?private_token=[MASKED]',
    )
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
    const chunks = Array.from({ length: 40 }, (_, index) =>
      Buffer.from(secret.slice(index * 50_000, (index + 1) * 50_000)),
    )
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
    expect(await traceOf(['ab', 'c€€', 'lost'], { limitBytes: 8 })).toBe(
      `abc€${notice("Job's log exceeded limit of 8 bytes.")}`,
    )
    expect(await traceOf(['abc€'], { limitBytes: 6 })).toBe('abc€')
    expect(await traceOf(['abc€', 'd'], { limitBytes: 6 })).toBe(
      `abc€${notice("Job's log exceeded limit of 6 bytes.")}`,
    )
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
        const kept = Buffer.from(
          output.slice(0, output.indexOf(notice(`Job's log exceeded limit of ${limitBytes} bytes.`))),
        )
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

/** As GitLab tells a line that has one. */
const stamp = /^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{6}Z [0-9a-f]{2}[EO][+ ]/
const stampBytes = 32
const startedAt = Date.UTC(2025, 1, 3, 4, 5, 6, 789)

function stamped({
  clock = { wallTime: () => startedAt },
  record,
}: {
  clock?: { wallTime(): number }
  record?: LineTimesRecord
} = {}) {
  const lineTimes = new LineTimes({ clock, record })
  const trace = new Trace({ secrets: ['secret\nof lines', 'hidden'], lineTimes })
  return { trace, lineTimes, written: () => textOf(trace) }
}

describe('times', () => {
  it('begin each line, of whoever wrote it, at once, and only lines', async () => {
    let time = startedAt
    const { trace, written } = stamped({ clock: { wallTime: () => time } })
    await trace.write('Running\nPreparing \x1b[0;m\n')
    time += 1500
    await trace.write(Buffer.from('hid'))
    time += 1500
    await trace.write(Buffer.from('den 10%\r'))
    expect(await written()).toBe(
      '2025-02-03T04:05:06.789000Z 00O Running\n2025-02-03T04:05:06.789000Z 00O Preparing \x1b[0;m\n2025-02-03T04:05:08.289000Z 01O [MASKED] 10%\r',
    )
    time += 1500
    await trace.write(Buffer.from('100%\n\r\n\n'))
    await trace.write('done')
    trace.end()
    expect((await written()).split('\n').slice(2)).toEqual([
      '2025-02-03T04:05:08.289000Z 01O [MASKED] 10%\r100%',
      '2025-02-03T04:05:11.289000Z 01O \r',
      '2025-02-03T04:05:11.289000Z 01O ',
      '2025-02-03T04:05:11.289000Z 00O done',
    ])
  })

  it('begin the lines of the last notice too', async () => {
    const trace = new Trace({
      secrets: [],
      limitBytes: 50,
      lineTimes: new LineTimes({ clock: { wallTime: () => startedAt } }),
    })
    await trace.write(Buffer.from('x'.repeat(100)))
    const lines = (await textOf(trace)).trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).toMatch(stamp)
  })

  const said = fc.string({
    unit: fc.constantFrom('a', '\n', '\r', 'ü', 'hidden', 'hid', 'secret', 'secret\nof ', 'lines'),
  })
  const writes = fc.array(fc.record({ text: said, byJob: fc.boolean(), pauseMs: fc.nat(3000) }), { maxLength: 30 })
  const chunkOf = ({ text, byJob }: { readonly text: string; readonly byJob: boolean }) =>
    byJob ? Buffer.from(text) : text

  it('change nothing else of a log, and stand at the beginning of each line of it', async () => {
    await fc.assert(
      fc.asyncProperty(writes, async (list) => {
        let time = startedAt
        const { trace, written } = stamped({ clock: { wallTime: () => time } })
        const plain = new Trace({ secrets: ['secret\nof lines', 'hidden'] })
        for (const write of list) {
          time += write.pauseMs
          await trace.write(chunkOf(write))
          await plain.write(chunkOf(write))
        }
        trace.end()
        plain.end()
        const lines = (await written()).split(/(?<=\n)/)
        let last = ''
        for (const line of lines.filter((line) => line !== '')) {
          expect(line).toMatch(stamp)
          expect(line.slice(0, 27) >= last).toBe(true)
          last = line.slice(0, 27)
        }
        expect(lines.map((line) => line.slice(stampBytes)).join('')).toBe(await textOf(plain))
      }),
    )
  })

  it('are the same when somebody else makes the log again later, from other pieces, and go on from there', async () => {
    await fc.assert(
      fc.asyncProperty(writes, fc.nat(30), fc.integer({ min: 1, max: 7 }), async (list, keptAfter, cut) => {
        let time = startedAt
        const first = stamped({ clock: { wallTime: () => time } })
        let known = 0
        let record: LineTimesRecord | undefined
        for (const [index, write] of list.entries()) {
          time += write.pauseMs
          await first.trace.write(chunkOf(write))
          if (index > keptAfter) continue
          // What was kept is told by the next process: JSON.
          record = JSON.parse(JSON.stringify(first.lineTimes.record)) as LineTimesRecord
          known = first.trace.size
        }
        const before = Buffer.from(await first.written())
        const later = time + 86_400_000
        const second = stamped({ clock: { wallTime: () => later }, ...(record !== undefined && { record }) })
        for (const write of list) {
          const chunk = Buffer.from(write.text)
          if (!write.byJob) await second.trace.write(write.text)
          else for (let at = 0; at < chunk.length; at += cut) await second.trace.write(chunk.subarray(at, at + cut))
        }
        const again = Buffer.from(await second.written())
        expect(again.subarray(0, known).equals(before.subarray(0, known))).toBe(true)
        expect(again.length).toBe(before.length)
        await second.trace.write(Buffer.from('\nfresh\n'))
        expect((await second.written()).trimEnd().split('\n').at(-1)).toBe(
          `${new Date(later).toISOString().slice(0, -1)}000Z 01O fresh`,
        )
      }),
    )
  })

  it('are kept in little: a job that prints all day long has some thousand steps', () => {
    let time = startedAt
    const times = new LineTimes({ clock: { wallTime: () => time } })
    for (; time < startedAt + 86_400_000; time += 500) times.came(1, 'job')
    expect(times.record.steps.length / 3).toBeLessThan(14_000)
    expect(JSON.stringify(times.record).length).toBeLessThan(200_000)
  })
})

it('a thousand secrets that are added one after the other are all masked', async () => {
  const trace = new Trace({ secrets: [] })
  const secrets = Array.from({ length: 1000 }, (_, n) => `secret-${n}-${'x'.repeat(500)}`)
  for (const secret of secrets) trace.addSecret(secret)
  await trace.write(Buffer.from(`${secrets.at(0)} ${secrets.at(-1)}\n`))
  trace.end()
  expect((await trace.read(0, 1000)).toString()).toBe('[MASKED] [MASKED]\n')
  await trace.close()
})
