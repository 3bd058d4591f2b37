import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JobLog, type LogRecord } from './job-log.ts'
import { MachineTime } from './machine-time.ts'
import { ScriptProgress } from './script-progress.ts'

const nonce = 'n0nce'
const marker = (body: string): string => `\x1e${nonce} ${body}\x1e`
const part = fc.oneof(
  fc.stringMatching(/^[a-z\n]{1,12}$/),
  fc.constantFrom(marker('begin get_sources'), marker('begin step_script'), marker('begin step_release')),
)

interface Manager {
  readonly log: JobLog
  readonly progress: ScriptProgress
  readonly text: () => string
}

/** When the script was started, on the runner's wall clock. */
const startedAt = 1_500_000

/** A manager with words and a clock of its own. */
async function manager(words: string, wallTime: number, record?: LogRecord): Promise<Manager> {
  let text = ''
  const trace = {
    write(chunk: Buffer | string): void {
      text += chunk.toString()
    },
  }
  const log = new JobLog({ trace, clock: { wallTime: () => wallTime }, sections: true, record })
  const machineTime = new MachineTime()
  const progress = new ScriptProgress({
    nonce,
    log,
    executor: words,
    machine: { description: words, buildsDir: 'builds' },
    openStage: 'prepare_script',
    stages: Array.from({ length: 100 }, () => ['get_sources', 'step_script', 'step_release']).flat(),
    notes: { get_sources: [words] },
    timeOf: (uptime) => machineTime.wallTime(uptime, startedAt),
  })
  log.line(words)
  log.begin('prepare_script', words)
  await log.flush()
  log.advance(1)
  log.commit()
  return { log, progress, text: () => text }
}

const cut = (text: string, sizes: Iterator<number>): Buffer[] => {
  const pieces: Buffer[] = []
  for (let at = 0; at < text.length; ) {
    const size = sizes.next().value as number
    pieces.push(Buffer.from(text.slice(at, at + size)))
    at += size
  }
  return pieces
}

test('a log that another manager writes again, with other words and at another time, is the same up to where it was kept, however output is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 10 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      fc.nat(20),
      fc.boolean(),
      async (parts, sizes, otherSizes, most, hasNoise) => {
        const stream = parts.join('')
        const first = await manager('first', 1_000)
        if (hasNoise) await first.log.aside(Buffer.from('noise\n'))
        for (const piece of cut(stream, sizes).slice(0, most)) await first.progress.push(piece)
        const record = JSON.parse(JSON.stringify(first.log.record)) as LogRecord
        const kept = first.text()

        const second = await manager('second', 2_000, record)
        for (const piece of cut(stream, otherSizes)) await second.progress.push(piece)
        await second.progress.end()
        second.log.endReplay()
        await second.log.flush()
        expect(second.text().slice(0, kept.length)).toBe(kept)
        // What comes then is the rest of the output, and the second one's words.
        const rest = second.text().slice(kept.length)
        expect(rest).not.toContain('first')
        expect(rest).not.toContain(':1:')
      },
    ),
  )
})

const step = fc.record({
  stage: fc.constantFrom('get_sources', 'step_script', 'step_release'),
  afterMs: fc.nat(10_000).map((hundredths) => hundredths * 10),
  output: fc.stringMatching(/^[a-z\n]{0,12}$/),
})

test('a log that another manager finishes, whenever it reads the rest, is the one that the first would have written: times of sections too', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      fc.nat(20),
      fc.integer({ min: 2_000_000, max: 9_000_000 }),
      async (steps, sizes, otherSizes, most, readAt) => {
        let upMs = 123_450
        const markers = steps.map(({ stage, afterMs, output }) => {
          upMs += afterMs
          return `${marker(`begin ${stage} ${(upMs / 1000).toFixed(2)}`)}${output}`
        })
        const stream = `${markers.join('')}${marker(`end 0 ${((upMs + 10) / 1000).toFixed(2)}`)}${marker('swept')}`
        const finish = async ({ progress, log }: Manager, pieces: readonly Buffer[]): Promise<void> => {
          for (const piece of pieces) await progress.push(piece)
          await progress.end()
          log.endReplay()
          await log.flush()
        }
        const whole = await manager('words', 1_500_000)
        await finish(whole, cut(stream, sizes))

        const first = await manager('words', 1_500_000)
        for (const piece of cut(stream, sizes).slice(0, most)) await first.progress.push(piece)
        const second = await manager('words', readAt, JSON.parse(JSON.stringify(first.log.record)) as LogRecord)
        await finish(second, cut(stream, otherSizes))
        expect(second.text()).toBe(whole.text())
        expect(
          whole
            .text()
            .match(/section_end:(\d+)/g)!
            .at(-1),
        ).toBe(`section_end:${Math.floor((startedAt + upMs + 10 - (123_450 + steps[0]!.afterMs)) / 1000)}`)
      },
    ),
  )
})

test('what a login prints is kept up to a bound, and left out of the log beyond it', async () => {
  const { log, text } = await manager('first', 0)
  for (let chunks = 0; chunks < 1000; chunks++) await log.aside(Buffer.alloc(65_536, 'x'))
  await log.flush()
  expect(text().length).toBeLessThan(300_000)
  expect(JSON.stringify(log.record).length).toBeLessThan(300_000)
  expect(text().match(/the rest is dropped/g)).toHaveLength(1)
})

test('lines and warnings without number are left out, and how the job ended is said', async () => {
  const { log, text } = await manager('first', 0)
  for (let lines = 0; lines < 1000; lines++) {
    log.warning('w'.repeat(100_000))
    await log.flush()
  }
  log.error('Job failed: why')
  await log.flush()
  expect(text().length).toBeLessThan(1_200_000)
  expect(text()).toContain('ERROR: Job failed: why')
})

test('a stage that the script does not have does not begin, and one that it has begins once', async () => {
  const stages: (string | undefined)[] = []
  const trace = { write: (): void => {} }
  const log = new JobLog({
    trace,
    clock: { wallTime: () => 0 },
    sections: true,
    onStage: (stage) => stages.push(stage),
  })
  const machine = { description: 'm', buildsDir: 'builds' }
  const progress = new ScriptProgress({ nonce, log, executor: 'x', machine, stages: ['step_script'] })
  for (let forged = 0; forged < 1000; forged++) await progress.push(Buffer.from(marker(`begin step_${forged} 1`)))
  for (let forged = 0; forged < 1000; forged++) await progress.push(Buffer.from(marker('begin step_script 1')))
  expect(stages).toEqual(['step_script'])
})

test.each([undefined, 'exit code'] as const)(
  'a script that fails is told in the term of its place: %s',
  async (statusTerm) => {
    const log = new JobLog({ trace: { write: () => {} }, clock: { wallTime: () => 0 }, sections: true })
    const machine = { description: 'm', buildsDir: 'builds', ...(statusTerm && { statusTerm }) }
    const progress = new ScriptProgress({ nonce, log, executor: 'x', machine, stages: ['step_script'] })
    await progress.push(Buffer.from(marker('begin step_script 1') + marker('end 7 2')))
    const failure = progress.failure({ exitCode: 7 })
    expect(failure).toMatchObject({ message: `${statusTerm ?? 'exit status'} 7`, exitCode: 7 })
  },
)

test('how far something has come is replaced by what is said next', async () => {
  const { log, text } = await manager('first', 0)
  const before = text().length
  log.progress('Pulling: 1 of 2 layers')
  await log.flush()
  log.progress('Pulled')
  log.line('done')
  log.line('next')
  log.progress('Waiting')
  await log.output(Buffer.from('output\n'))
  await log.flush()
  expect(text().slice(before)).toBe(
    'Pulling: 1 of 2 layers\r\x1b[0KPulled\r\x1b[0Kdone\nnext\nWaiting\r\x1b[0Koutput\n',
  )
})

/** What GitLab shows of a log: a carriage return clears its line, wherever it stands. */
const shownLines = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .map((line) => line.replace(/^.*\r/s, '').replace(/\x1b\[[0-9;]*[A-Za-z]/g, ''))
    .filter((line) => line !== '')

test('GitLab shows how far something has come until the next text', async () => {
  const { log, text } = await manager('first', 0)
  for (const done of [1, 2]) {
    log.progress(`${done} of 2 layers`)
    await log.flush()
    expect(shownLines(text()).at(-1)).toBe(`${done} of 2 layers`)
  }
  log.warning('slow')
  await log.flush()
  expect(shownLines(text()).slice(-2)).toEqual(['first', 'WARNING: slow'])
})

test('the next manager says its first words below how far something had come', async () => {
  const first = await manager('first', 0)
  first.log.progress('1 of 2 layers')
  await first.log.flush()
  first.log.restart()
  const next = await manager('next', 0, JSON.parse(JSON.stringify(first.log.record)))
  next.log.endReplay()
  next.log.line('started again')
  await next.log.flush()
  expect(next.text()).toBe(`${first.text()}\nstarted again\n`)
})
