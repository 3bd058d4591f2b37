import { ManualClock } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseLogLine } from '../host/plugin-log.ts'
import { hclogLogger } from './hclog.ts'

/** What one entry is written as. */
function written(fields: object, message: string): string {
  const lines: string[] = []
  hclogLogger((line) => lines.push(line), new ManualClock()).warn(fields, message)
  expect(lines).toHaveLength(1)
  return lines[0]!
}

test('an entry is one line that a host reads back', () => {
  const line = written({ instance: 'a', error: new Error('it fell', { cause: new Error('off the edge') }) }, 'trouble')
  expect(parseLogLine(line.trim())).toEqual({
    level: 'warn',
    message: 'trouble',
    fields: { plugin_instance: 'a', plugin_error: 'it fell: off the edge', plugin_time: '1970-01-01T00:16:40.000000Z' },
  })
})

test('whatever the fields are, the line is JSON that is short enough, and its own keys are texts', () => {
  const ring: Record<string, unknown> = {}
  ring['itself'] = ring
  const value = fc.oneof(
    fc.anything({ withBigInt: true }),
    fc.constant(ring),
    fc.string({ minLength: 70_000, maxLength: 80_000 }),
  )
  const fields = fc.dictionary(
    fc.oneof(fc.string(), fc.constantFrom('@level', '@message', '@timestamp', '@module')),
    value,
  )
  fc.assert(
    fc.property(fields, fc.oneof(fc.string(), fc.constant('\u{1f315}'.repeat(40_000))), (given, message) => {
      const line = written(given, message)
      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(Buffer.byteLength(line)).toBeLessThan(64 * 1024)
      const entry = JSON.parse(line)
      for (const key of ['@level', '@message', '@timestamp']) expect(entry[key]).toBeTypeOf('string')
      expect(entry['@module'] ?? '').toBeTypeOf('string')
    }),
    { numRuns: 50 },
  )
})
