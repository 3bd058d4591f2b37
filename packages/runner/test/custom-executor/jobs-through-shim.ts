import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ShimFixture } from './shim-fixture.ts'
import type { StockJob, StockResult, StockRun } from './stock-runner.ts'

type Kind = 'good' | 'bad' | 'artifacts' | 'artifactsOfFailure' | 'canceled' | 'stubborn'

/** Most jobs are good; of every ten there is one of each of the others. */
const kinds: readonly Kind[] = [
  'good',
  'artifacts',
  'bad',
  'canceled',
  'good',
  'good',
  'artifactsOfFailure',
  'good',
  'good',
  'good',
]
/** How long GitLab Runner waits after SIGTERM here, milliseconds: not long enough for a job that ignores it. */
const gracefulKillMs = 1_000

function jobOf(kind: Kind, id: number): StockJob {
  const base = { id, variables: { GREETING: `it's "job" $HOME ${id}` } }
  switch (kind) {
    case 'good':
      return {
        ...base,
        script: ['echo "$GREETING" | tr a-z A-Z', 'seq 2000 | tail -1'],
        afterScript: ['echo after $CI_JOB_ID'],
      }
    case 'bad':
      return { ...base, script: ['echo before', `(exit ${(id % 250) + 2})`, 'echo never\\ reached'] }
    case 'artifacts':
      return { ...base, script: [`echo content of ${id} > kept.txt`], artifacts: ['kept.txt'] }
    case 'artifactsOfFailure':
      return {
        ...base,
        script: [`echo content of ${id} > kept.txt`, 'exit 3'],
        artifacts: ['kept.txt'],
        evaluation: 'pipeline',
      }
    case 'canceled':
      return { ...base, script: ['sleep 1000 & echo be""gun; sleep 1000'] }
    case 'stubborn':
      return {
        ...base,
        script: ["trap '' TERM; (trap '' TERM; sleep 1000) & echo be\"\"gun; while :; do sleep 1000; done"],
      }
  }
}

function check(kind: Kind, id: number, { state, reason, exitCode, log, calls }: StockResult, uploads: string): void {
  const what = `job ${id}, ${kind}\n${log}\n${JSON.stringify(calls)}`
  const stages = calls.map(({ name, stage }) => stage ?? name)
  expect(stages.slice(0, 4), what).toEqual(['config', 'prepare', 'prepare_script', 'get_sources'])
  expect(calls.at(-1), what).toMatchObject({ name: 'cleanup', code: 0 })
  const uploaded = join(uploads, String(id), 'kept.txt')
  switch (kind) {
    case 'good':
      expect({ state, reason }, what).toEqual({ state: 'success', reason: undefined })
      expect(log, what).toContain(`IT'S "JOB" $HOME ${id}\n`)
      expect(log, what).toContain('\n2000\n')
      expect(log, what).toContain(`after ${id}\n`)
      return
    case 'bad':
      expect({ state, reason, exitCode }, what).toEqual({
        state: 'failed',
        reason: 'script_failure',
        exitCode: (id % 250) + 2,
      })
      expect(log, what).not.toContain('never reached')
      return
    case 'artifacts':
      expect({ state, reason }, what).toEqual({ state: 'success', reason: undefined })
      expect(readFileSync(uploaded, 'utf8'), what).toBe(`content of ${id}\n`)
      expect(log, what).toContain('Uploading artifacts (on_success)... 201 Created')
      return
    case 'artifactsOfFailure':
      expect({ state, reason, exitCode }, what).toEqual({ state: 'failed', reason: 'script_failure', exitCode: 3 })
      expect(readFileSync(uploaded, 'utf8'), what).toBe(`content of ${id}\n`)
      expect(log, what).toContain('Uploading artifacts (on_failure)... 201 Created')
      return
    case 'canceled':
      expect(state, what).toBe('canceled')
      expect(
        calls.find(({ stage }) => stage === 'build_script'),
        what,
      ).toMatchObject({ code: 2 })
      return
    case 'stubborn':
      expect(state, what).toBe('canceled')
      expect(
        calls.find(({ stage }) => stage === 'build_script'),
        what,
      ).toMatchObject({ code: 'SIGKILL' })
      expect(existsSync(uploaded)).toBe(false)
  }
}

/**
 * What the shim costs, medians in milliseconds: a stage as GitLab Runner sees it, what of it is beyond its time on the
 * machine, and a bare start of Node.
 */
interface ShimCost {
  readonly stageMs: number
  readonly addedMs: number
  readonly nodeMs: number
}

/**
 * Runs a mixture of jobs, ten at once, through the custom executor, and checks each, and that nothing is left of them.
 * `measure`: on the same daemon, after them.
 */
export async function jobsThroughShim(
  count: number,
  measure: (fixture: ShimFixture) => Promise<void> = async () => {},
): Promise<void> {
  await using fixture = new ShimFixture()
  let next = 1
  const sentinel = count
  const worker = async (): Promise<void> => {
    for (let id = next++; id <= count; id = next++) {
      const kind = id === sentinel ? 'stubborn' : (kinds[id % kinds.length] as Kind)
      const run: StockRun = fixture.run(jobOf(kind, id), kind === 'stubborn' ? { gracefulKillMs } : {})
      if (kind === 'canceled' || kind === 'stubborn') {
        await run.says('begun')
        run.cancel()
      }
      check(kind, id, await run.result, fixture.uploads)
    }
  }
  await Promise.all(Array.from({ length: 10 }, worker))
  await measure(fixture)
  // It ends by itself once the group is empty.
  await fixture.until(() => fixture.processes().length === 0)
  expect(fixture.log.filter(({ msg }) => msg === 'job begins')).toHaveLength(
    fixture.log.filter(({ msg }) => msg === 'job ended').length,
  )
  expect(fixture.log.filter(({ is_clean }) => is_clean === false)).toEqual([])
  expect(fixture.log.map(({ msg }) => msg)).toContain('daemon of the custom executor stopped')
}

/** Runs jobs one at a time. */
export async function measureShim(fixture: ShimFixture): Promise<ShimCost> {
  const added: number[] = []
  const took: number[] = []
  const bare: number[] = []
  for (let round = 0; round < 10; round += 1) {
    const before = fixture.log.length
    const { calls } = await fixture.run({ id: 1000 + round, script: ['true'], afterScript: ['true'] }).result
    const onMachine = fixture.log.slice(before).filter(({ msg }) => msg === 'stage ended')
    const stages = calls.filter(({ name }) => name === 'run')
    stages.forEach(({ ms }, index) => {
      took.push(ms)
      added.push(ms - (onMachine[index]?.['duration_seconds'] as number) * 1000)
      const at = performance.now()
      spawnSync(process.execPath, ['-e', '0'])
      bare.push(performance.now() - at)
    })
  }
  return { addedMs: median(added), nodeMs: median(bare), stageMs: median(took) }
}

function median(values: readonly number[]): number {
  return Math.round(([...values].sort((a, b) => a - b)[values.length >> 1] ?? 0) * 10) / 10
}
