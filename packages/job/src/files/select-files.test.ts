import { expect, test } from 'vitest'
import { JobBudget } from '../job-budget.ts'
import type { FileTransfer } from '../job-environment.ts'
import { type FileSelection, selectFiles } from './select-files.ts'
import type { SelectedFiles } from './selected-files.ts'

/** Selects on a machine whose `find` prints what it is told to. */
async function select(
  printed: Iterable<string>,
  selection: Partial<FileSelection> = {},
  budget = new JobBudget(),
): Promise<SelectedFiles> {
  const say = async (): Promise<void> => {}
  const transfer = async ({ stdout, signal }: FileTransfer): Promise<{ readonly exitCode: number }> => {
    for (const text of printed) {
      if (signal.aborted) throw signal.reason
      await stdout(Buffer.from(text))
    }
    return { exitCode: 0 }
  }
  const work = {
    environment: { transfer, jobMarker: { name: 'M', value: 'v' } },
    log: { line: say, warning: say, error: say },
    signal: new AbortController().signal,
    budget,
  }
  const wanted = { paths: ['**'], exclude: [], untracked: false, ...selection }
  return selectFiles(wanted, '/builds/p', { expand: (text) => text }, work)
}

function* repeated(text: string): Generator<string> {
  for (;;) yield text
}

const limitExceeded = (field: string): unknown =>
  expect.objectContaining({ code: 'limit_exceeded', message: expect.stringContaining(field) })

test('a name that does not end fails the job, however much more would come', async () => {
  await expect(select(repeated('x'.repeat(65_536)))).rejects.toEqual(limitExceeded('the name of a file'))
})

test('names without end fail the job', async () => {
  let number = 0
  const names = function* (): Generator<string> {
    for (;;) yield Array.from({ length: 500 }, () => `644,1,2:./${number++}${'x'.repeat(2000)}\0`).join('')
  }
  await expect(select(names(), {}, new JobBudget({ bytes: 4_000_000 }))).rejects.toEqual(
    limitExceeded('files of artifacts and caches'),
  )
})

test('names that are long to compare do not keep the event loop from running', async () => {
  const alternatives = `{${Array.from({ length: 999 }, (_, n) => `*a*a*a*a${n}`).join(',')}}`
  const files = Array.from({ length: 20 }, (_, n) => `644,1,2:./${'a'.repeat(200)}${n}b\0`)
  let turns = 0
  const count = (): void => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  await select([files.join('')], { paths: Array.from({ length: 4 }, () => alternatives) }).finally(() =>
    clearImmediate(next),
  )
  expect(turns).toBeGreaterThan(10)
})

test('exclusions that are long to compare do not keep it either', async () => {
  const slow = `*${'a'.repeat(100)}b`
  const names = repeated(`644,1,2:./${'a'.repeat(3000)}\0`)
  await expect(select(names, { exclude: [slow] }, new JobBudget({ steps: 3_000_000 }))).rejects.toEqual(
    limitExceeded('patterns of paths'),
  )
})

test('the files are in the order of their names, however many they are', async () => {
  const names = Array.from({ length: 30_000 }, (_, n) => `./${(n * 7919) % 30_000}`)
  const chunks: Buffer[] = []
  for await (const chunk of (await select([names.map((name) => `644,1,2:${name}\0`).join('')])).packInput())
    chunks.push(chunk)
  expect(Buffer.concat(chunks).toString().split('\0').slice(0, -1)).toEqual(names.toSorted())
})
