import { inspect, isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import { modeText } from './mode-text.ts'
import type { ExpectedUpload, JobResult, Payload, ResultUpload } from './payload.ts'
import { plainLines, sectionsOf } from './trace-reading.ts'

const byDefault: readonly string[] = ['prepare_executor', 'prepare_script', 'get_sources', 'step_script']

/** Fails the test where a job did not end as it must. */
export function judge({ name, expected }: Payload, result: JobResult): void {
  const { state, exitCode, trace } = result
  // A canceled job ends with a reason, too; which one is the runner's choice.
  const failureReason = state === 'canceled' ? undefined : result.failureReason
  const { sections = byDefault, lines = [], lacks = [], everyLine, uploads = [] } = expected
  const end = [state, failureReason, exitCode].join(' ')
  expect(end, `${name}\n${trace}`).toBe([expected.state, expected.failureReason, expected.exitCode].join(' '))
  expect(sectionsOf(trace).join(' '), name).toBe(sections.join(' '))
  const said = plainLines(trace)
  let at = 0
  for (const line of lines) {
    const found = said.slice(at).findIndex((text) => (typeof line === 'string' ? text === line : line.test(text)))
    expect(found, `${name}: no line ${String(line)} after line ${at} of\n${trace.slice(-4000)}`).toBeGreaterThanOrEqual(
      0,
    )
    at += found + 1
  }
  for (const text of lacks) expect(trace.includes(text), `${name} has ${text}:\n${trace}`).toBe(false)
  if (everyLine !== undefined) for (const line of said) expect(line, name).toMatch(everyLine)
  const [got, want] = [result.uploads.map(readable), uploads.map(wanted)]
  if (!isDeepStrictEqual(got, want)) throw new Error(`${name} left ${inspect(got, shown)}, not ${inspect(want, shown)}`)
}

const shown = { depth: 5, maxStringLength: 200 }

/** Contents as text where nothing is lost by it. */
function readable({ filename, type, format, expireIn, entries }: ResultUpload): object {
  return {
    filename,
    type,
    format,
    expireIn,
    entries: Object.fromEntries(
      entries.map(({ path, mode, content }) => [path, [modeText(mode), content.toString('latin1')]]),
    ),
  }
}

function wanted({ expireIn = '', entries, ...upload }: ExpectedUpload): object {
  const bytes = Object.entries(entries).map(([path, [mode, content]]) => [
    path,
    [mode, Buffer.from(content).toString('latin1')],
  ])
  return { ...upload, expireIn, entries: Object.fromEntries(bytes) }
}
