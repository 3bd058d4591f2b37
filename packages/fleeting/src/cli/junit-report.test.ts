import { expect, test } from 'vitest'
import { junitReport } from './junit-report.ts'

test('what passed, failed and was skipped, whatever their texts hold', () => {
  const error = Object.assign(new Error('a <b> & "c"\nd\u0000e\uD800'), { stack: 'Error: ]]> <b>' })
  const report = {
    outcomes: [
      { name: 'fine', durationMs: 1500, notes: ['list: 2 calls & more'], outcome: 'passed' as const },
      { name: 'wrong', durationMs: 0.4, notes: [], outcome: 'failed' as const, error },
      { name: 'left out', durationMs: 0, notes: [], outcome: 'skipped' as const, reason: 'no "controls"' },
    ],
    passed: 1,
    failed: 1,
    skipped: 1,
  }
  expect(junitReport('acme/"x"', report)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
<testsuite name="acme/&quot;x&quot;" tests="3" failures="1" errors="0" skipped="1" time="1.500">
<testcase classname="acme/&quot;x&quot;" name="fine" time="1.500"><system-out>list: 2 calls &amp; more</system-out></testcase>
<testcase classname="acme/&quot;x&quot;" name="wrong" time="0.000"><failure message="a &lt;b&gt; &amp; &quot;c&quot;&#10;d\uFFFDe\uFFFD">Error: ]]&gt; &lt;b&gt;</failure></testcase>
<testcase classname="acme/&quot;x&quot;" name="left out" time="0.000"><skipped message="no &quot;controls&quot;"/></testcase>
</testsuite>
</testsuites>
`)
})
