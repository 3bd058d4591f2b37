import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonLines } from './json-lines.ts'

async function read(...chunks: Buffer[]): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of jsonLines(Readable.from(chunks))) values.push(value)
  return values
}

test('values are read wherever the stream is cut', async () => {
  const values = fc.array(fc.record({ status: fc.string(), id: fc.string() }))
  const ends = fc.constantFrom('\n', '\r\n')
  await fc.assert(
    fc.asyncProperty(values, ends, fc.array(fc.nat(50)), async (expected, end, cuts) => {
      let rest = Buffer.from(expected.map((value) => JSON.stringify(value)).join(end))
      const chunks: Buffer[] = []
      for (const cut of cuts) {
        chunks.push(rest.subarray(0, cut))
        rest = rest.subarray(cut)
      }
      expect(await read(...chunks, rest)).toEqual(expected)
    }),
  )
})

test('a line that is not JSON is ignored', async () => {
  expect(await read(Buffer.from('{"a":1}\n<html>\n\n{"b":2}\n{"c"'))).toEqual([{ a: 1 }, { b: 2 }])
})

test('a line without an end is an error of the Engine', async () => {
  const endless = Array.from({ length: 300 }, () => Buffer.alloc(1024, 'x'))
  await expect(read(Buffer.from('{}\n'), ...endless)).rejects.toMatchObject({
    code: 'failed',
    message: 'the Engine sends a message of more than 262144 bytes',
  })
})
