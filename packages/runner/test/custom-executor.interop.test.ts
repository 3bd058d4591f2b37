// Fifty jobs through the custom executor: the calls are made by a GitLab Runner where `GITLAB_RUNNER_BIN` names one,
// otherwise by a driver of the project's own that makes the same calls.
import { existsSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Coordinator, type JobSpec } from '@runner-core/runner/testing'
import { startRunner } from '@runner-core/testkit/manager/runner-process'
import { expect, test } from 'vitest'
import { jobsThroughShim, measureShim } from './custom-executor/jobs-through-shim.ts'
import { client, ShimFixture } from './custom-executor/shim-fixture.ts'

const stock = process.env['GITLAB_RUNNER_BIN']
const hasStock = stock !== undefined && existsSync(stock)

test.skipIf(hasStock)(
  '50 jobs through the custom executor on plugin local; nothing is left',
  { timeout: 300_000 },
  async () => {
    await jobsThroughShim(50, async (fixture) => {
      const { addedMs, nodeMs, stageMs } = await measureShim(fixture)
      console.log(
        `the shim adds ${addedMs} ms to a stage (p50), of which a bare start of Node is ${nodeMs} ms; a stage takes ${stageMs} ms`,
      )
    })
  },
)

test.runIf(hasStock)(
  '50 jobs of a stock GitLab Runner on plugin local; nothing is left',
  { timeout: 600_000 },
  async () => {
    await using coordinator = await Coordinator.start()
    await using fixture = new ShimFixture()
    unlinkSync(fixture.helper)
    symlinkSync(stock as string, fixture.helper)
    const config = join(fixture.folder, 'stock.toml')
    const exec = (call: string): string =>
      `${call}_exec = "${client}"\n${call}_args = ["${call}", "--config", "${fixture.config}", "--idle-timeout", "300ms"]`
    writeFileSync(
      config,
      `concurrent = 10
check_interval = 1
[[runners]]
name = "stock"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "custom"
request_concurrency = 10
[runners.custom]
graceful_kill_timeout = 30
${['config', 'prepare', 'run', 'cleanup'].map(exec).join('\n')}
`,
    )
    const specOf = (id: number): JobSpec => {
      if (id % 10 === 2) return { script: ['exit 4'] }
      if (id % 10 === 3) return { script: ['sleep 1000 & echo be""gun; sleep 1000'], marker: 'begun' }
      const artifacts =
        id % 10 === 1 ? { artifacts: [{ name: 'kept', paths: ['kept.txt'], format: 'zip', type: 'archive' }] } : {}
      return { script: [`echo content of ${id} > kept.txt`, 'echo "fi""ne"'], ...artifacts }
    }
    const jobs = Array.from({ length: 50 }, (_, id) => coordinator.enqueue(specOf(id)))
    const PATH = process.env['PATH']
    process.env['PATH'] = `${join(fixture.folder, 'bin')}${delimiter}${PATH}`
    try {
      await using runner = startRunner(stock as string, ['run', '--config', config], join(fixture.folder, 'stock.log'))
      const over = Promise.all(jobs.map(({ finished }) => finished))
      void (async () => {
        for (const job of jobs.filter((_, id) => id % 10 === 3)) {
          await fixture.until(() => job.times.firstOutputAt !== undefined)
          job.cancel()
        }
      })()
      await Promise.race([over, runner.ended])
    } finally {
      process.env['PATH'] = PATH
    }
    jobs.forEach((job, id) => {
      const expected = id % 10 === 2 ? 'failed' : id % 10 === 3 ? 'canceled' : 'success'
      expect(job.state, `job ${id}\n${job.trace.text()}`).toBe(expected)
    })
    await fixture.until(() => fixture.processes().length === 0)
  },
)
