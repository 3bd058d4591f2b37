import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { RecordFile } from './record-file.ts'

test.skipIf(process.platform !== 'linux')(
  'a file system that does not answer holds up neither the record nor a stop, and memory is bounded',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'record-file-'))
    const path = join(directory, 'decisions.jsonl')
    // To open it for writing waits for a reader.
    execFileSync('mkfifo', [path])
    const clock = new ManualClock()
    const file = new RecordFile({ directory, clock, logger: silentLogger })
    const decide = (number: number): void =>
      file.decision({ at: number, kind: 'increase', reason: `number ${number}` } as never)
    decide(0)
    await clock.advance(500)
    for (let number = 1; number <= 25_000; number++) decide(number)
    let isFlushed = false
    const flushing = file.flush().then(() => {
      isFlushed = true
    })
    await clock.advance(4_999)
    expect(isFlushed).toBe(false)
    await clock.advance(1)
    await flushing

    const numbers: number[] = []
    while (numbers.length < 10_001)
      for (const [, number] of (await readFile(path, 'utf8')).matchAll(/"number (\d+)"/g)) numbers.push(Number(number))
    expect(numbers).toEqual([0, ...Array.from({ length: 10_000 }, (_, index) => 15_001 + index)])
    rmSync(directory, { recursive: true })
  },
)
