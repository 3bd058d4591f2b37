// A reporter of vitest: names the ten files whose tests took longest, at the end of each run.
import { relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

const most = 10

export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = modules
      .map((module) => ({ file: relative('.', module.moduleId), ms: module.diagnostic().duration }))
      .toSorted((one, other) => other.ms - one.ms)
      .slice(0, most)
    if (modules.length <= 1) return
    console.log(['', 'The slowest files:', ...files.map(({ file, ms }) => `${seconds(ms)} s  ${file}`)].join('\n'))
  }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1).padStart(7)
}
