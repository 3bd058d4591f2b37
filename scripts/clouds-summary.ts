// The vitest reporter of `npm run test:clouds`: says at the end what ran, and what was skipped and why.
import { relative, resolve } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

export default class CloudsSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    console.log('\nclouds: what ran')
    for (const module of modules.toSorted((a, b) => a.moduleId.localeCompare(b.moduleId))) {
      const count = (state: 'passed' | 'failed' | 'skipped'): number => [...module.children.allTests(state)].length
      const counts = `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
      // One whose set-up failed has skipped tests only, and must not look as if somebody had wanted that.
      const verdict = module.state() === 'failed' && count('failed') === 0 ? ' (FAILED before its tests)' : ''
      console.log(`  ${relative(resolve('packages'), module.moduleId).padEnd(62)} ${counts}${verdict}`)
    }
    const skipped = byReason(modules.flatMap((module) => [...module.children.allTests('skipped')]))
    console.log(skipped.size === 0 ? 'clouds: nothing was skipped' : 'clouds: what was skipped, and why')
    for (const [reason, names] of skipped) {
      console.log(`  ${reason}`)
      for (const [name, times] of names) console.log(`    ${name}${times === 1 ? '' : ` (${times} times)`}`)
    }
  }
}

/** How often a test of each name was skipped, by the reason that it told. */
function byReason(tests: readonly TestCase[]): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const reasons = new Map<string, Map<string, number>>()
  for (const test of tests) {
    const result = test.result()
    const note = result.state === 'skipped' ? result.note : undefined
    const reason = note ?? (test.module.state() === 'failed' ? 'the set-up of its file failed' : 'as its name says')
    const name = note === undefined ? test.fullName : test.name
    const names = reasons.get(reason) ?? new Map<string, number>()
    reasons.set(reason, names.set(name, (names.get(name) ?? 0) + 1))
  }
  return reasons
}
