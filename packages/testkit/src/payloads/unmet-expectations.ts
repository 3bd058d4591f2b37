import { inspect, isDeepStrictEqual } from 'node:util'
import { modeText } from './mode-text.ts'
import type { ExpectedUpload, JobResult, Payload, ResultUpload } from './payload.ts'
import { plainLines, sectionsOf, withoutTimes } from './trace-reading.ts'

const byDefault: readonly string[] = ['prepare_executor', 'prepare_script', 'get_sources', 'step_script']

/** How a job did not end as it must, a text for each; none: it did. */
export function unmetExpectations({ expected }: Pick<Payload, 'expected'>, result: JobResult): readonly string[] {
  const { state, exitCode, trace } = result
  // A canceled job ends with a reason, too; which one is the runner's choice.
  const failureReason = state === 'canceled' ? undefined : result.failureReason
  const { sections = byDefault, lines = [], lacks = [], everyLine, uploads = [] } = expected
  const unmet: string[] = []
  const compare = (what: string, got: string, want: string): void => {
    if (got !== want) unmet.push(`${what}: ${got}, not ${want}`)
  }
  compare(
    'end',
    [state, failureReason, exitCode].join(' '),
    [expected.state, expected.failureReason, expected.exitCode].join(' '),
  )
  compare('sections', sectionsOf(trace).join(' '), sections.join(' '))
  const said = everyLine === undefined ? withoutTimes(plainLines(trace)) : plainLines(trace)
  let at = 0
  for (const line of lines) {
    const found = said.slice(at).findIndex((text) => (typeof line === 'string' ? text === line : line.test(text)))
    if (found < 0) unmet.push(`no line ${String(line)} after line ${at}`)
    else at += found + 1
  }
  for (const text of lacks) if (trace.includes(text)) unmet.push(`has ${text}`)
  const odd = everyLine === undefined ? undefined : said.find((line) => !everyLine.test(line))
  if (odd !== undefined) unmet.push(`the line ${odd} is not like ${String(everyLine)}`)
  const [got, want] = [result.uploads.map(readable), uploads.map(wanted)]
  if (!isDeepStrictEqual(got, want)) unmet.push(`left ${inspect(got, shown)}, not ${inspect(want, shown)}`)
  return unmet
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
