import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineSplitter, parseLogLine } from './plugin-log.ts'

test("hclog's lines keep level, message and fields", () => {
  const line =
    '{"@level":"warn","@message":"slow","@module":"hetzner.api","@timestamp":"2026-06-30T13:17:28.000001Z","took":3,"level":"x"}'
  expect(parseLogLine(line)).toEqual({
    level: 'warn',
    message: 'slow',
    fields: {
      plugin_module: 'hetzner.api',
      plugin_time: '2026-06-30T13:17:28.000001Z',
      plugin_took: 3,
      plugin_level: 'x',
    },
  })
  expect(parseLogLine('{"@level":"trace","@message":"x"}').level).toBe('debug')
})

test.each([
  ['plain text', 'debug'],
  ['[INFO]  text', 'info'],
  ['[ERROR] text', 'error'],
  ['panic: runtime error: invalid memory address', 'error'],
  ['fatal error: all goroutines are asleep', 'error'],
  ['{"msg":"another JSON"}', 'debug'],
  ['{broken', 'debug'],
])('%j is logged as it is, at the level %s', (line, level) => {
  expect(parseLogLine(line)).toEqual({ level, message: line, fields: {} })
})

test('fields of other types, which end the process of upstream’s host, do no harm', () => {
  expect(parseLogLine('{"@level":7,"@message":{"a":1},"@timestamp":5,"@module":[]}')).toMatchObject({
    level: 'debug',
    fields: {},
  })
})

function linesOf(chunks: readonly Uint8Array[]): readonly string[] {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  for (const chunk of chunks) splitter.write(chunk)
  splitter.end()
  return lines
}

test('lines are the same however their bytes come', () => {
  const text = fc.array(fc.stringMatching(/^[a-zäß€ ]{1,20}$/), { maxLength: 8 })
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lines, sizes) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const chunks: Uint8Array[] = []
      for (let at = 0, step = 0; at < bytes.length; step += 1) {
        const size = sizes[step % sizes.length] as number
        chunks.push(bytes.subarray(at, at + size))
        at += size
      }
      expect(linesOf(chunks)).toEqual(lines)
    }),
  )
})

test('a line without an end is cut, and takes no memory', () => {
  const part = Buffer.alloc(50_000, 'x')
  const lines = linesOf([part, part, part, part, Buffer.from('\nnext\n')])
  expect(lines.map((line) => line.length)).toEqual([64 * 1024, 4])
})
