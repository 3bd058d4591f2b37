import { describeError } from '../contract/describe-error.ts'
import type { ConformanceOutcome } from '../testing/conformance/conformance-run.ts'
import type { ConformanceReport } from '../testing/conformance/run-conformance.ts'

/** The report as JUnit XML, in the dialect that GitLab reads: https://docs.gitlab.com/ci/testing/unit_test_reports/ */
export function junitReport(suite: string, { outcomes, failed, skipped }: ConformanceReport): string {
  const counts = { tests: outcomes.length, failures: failed, errors: 0, skipped }
  const time = outcomes.reduce((sum, { durationMs }) => sum + durationMs, 0)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `<testsuite ${attributes({ name: suite, ...counts, time: seconds(time) })}>`,
    ...outcomes.map((outcome) => testCase(suite, outcome)),
    '</testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function testCase(suite: string, outcome: ConformanceOutcome): string {
  const { name, durationMs, notes } = outcome
  const children = [
    ...(outcome.outcome === 'skipped' ? [`<skipped ${attributes({ message: outcome.reason })}/>`] : []),
    ...(outcome.outcome === 'failed'
      ? [
          `<failure ${attributes({ message: describeError(outcome.error) })}>${escapeXml(outcome.error.stack ?? '')}</failure>`,
        ]
      : []),
    ...(notes.length > 0 ? [`<system-out>${escapeXml(notes.join('\n'))}</system-out>`] : []),
  ]
  const open = `<testcase ${attributes({ classname: suite, name, time: seconds(durationMs) })}`
  return children.length === 0 ? `${open}/>` : `${open}>${children.join('')}</testcase>`
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3)

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escapeXml(String(value)).replaceAll('"', '&quot;').replaceAll('\n', '&#10;')}"`)
    .join(' ')
}

/** What XML 1.0 cannot hold at all (https://www.w3.org/TR/xml/#charsets) becomes U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
