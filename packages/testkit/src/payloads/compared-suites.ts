import { existsSync, readFileSync } from 'node:fs'
import { sshdMissing } from '../ssh/openssh-server.ts'
import { containerDifferences } from './containers/container-differences.ts'
import { containerPayloadNames, containersMissing, runContainerPayloads } from './containers/run-container-payloads.ts'
import { type MeantDifference, meantDifferences } from './meant-differences.ts'
import { sourcesMissing } from './payload-world.ts'
import { ownRecord, parseRecordedRun, type RecordedRun, recordRun, stockDockerRecord } from './recorded-run.ts'
import { runPayloads } from './run-payloads.ts'
import { unmetExpectations } from './unmet-expectations.ts'

/** Payloads that are compared on one executor. */
export interface ComparedSuite {
  readonly executor: 'instance' | 'docker'
  readonly payloads: readonly string[]
  /** Why none can be run here; undefined when they can. */
  missing(): string | undefined
  /** Why a stock gitlab-runner does not run them; undefined when it does. */
  stockMissing(): string | undefined
  run(options: SuiteRunOptions): Promise<SuiteRun>
  readonly meant: readonly MeantDifference[]
  /** What is compared with where no stock runner is named. */
  readonly record: () => RecordedRun
}

export interface SuiteRunOptions {
  /** What the runner calls itself. */
  readonly runner: string
  /** Whether it is the stock gitlab-runner that the environment names. */
  readonly isStock: boolean
  readonly only: readonly string[] | undefined
  readonly progress: (line: string) => void
  readonly signal: AbortSignal
}

export interface SuiteRun {
  readonly recorded: RecordedRun
  /** Where a job did not end as any runner must end it. */
  readonly unmet: readonly string[]
}

const stockBin = process.env['GITLAB_RUNNER_BIN']
const stockHelper = process.env['STOCK_HELPER_IMAGE']

const instance: ComparedSuite = {
  executor: 'instance',
  payloads: parseRecordedRun(readFileSync(ownRecord, 'utf8')).jobs.map(({ name }) => name),
  missing: () => sshdMissing() ?? sourcesMissing(),
  stockMissing: () =>
    stockBin === undefined
      ? 'GITLAB_RUNNER_BIN is not set, and no results of one have been recorded yet. Compared with our own earlier results.'
      : undefined,
  async run({ isStock, ...options }) {
    const recorded = await runPayloads({ ...options, stock: isStock ? stockBin : undefined })
    return { recorded, unmet: [] }
  },
  meant: meantDifferences,
  record: () => parseRecordedRun(readFileSync(ownRecord, 'utf8')),
}

const docker: ComparedSuite = {
  executor: 'docker',
  payloads: containerPayloadNames,
  missing: containersMissing,
  stockMissing: () =>
    stockBin === undefined || stockHelper === undefined
      ? `${stockBin === undefined ? 'GITLAB_RUNNER_BIN' : 'STOCK_HELPER_IMAGE'} is not set. Compared with what a stock runner did when it was recorded.`
      : undefined,
  async run({ runner, isStock, ...options }) {
    const stock = isStock ? { bin: stockBin!, helperImage: stockHelper! } : undefined
    const { payloads, results, replacements } = await runContainerPayloads({ ...options, stock })
    const unmet = payloads.flatMap((payload, index) =>
      unmetExpectations(payload, results[index]!).map((text) => `${payload.name}: ${text}`),
    )
    return { recorded: recordRun(runner, results, replacements), unmet: isStock ? [] : unmet }
  },
  meant: containerDifferences,
  record: () => parseRecordedRun(readFileSync(stockDockerRecord, 'utf8')),
}

/** In the order in which they are run: the shorter first. */
export const comparedSuites: readonly ComparedSuite[] = [docker, instance]

/** The stock gitlab-runner that the environment names. Thrown: there is none there. */
export function stockRunner(): string | undefined {
  if (stockBin !== undefined && !existsSync(stockBin)) throw new Error(`GITLAB_RUNNER_BIN: there is no ${stockBin}`)
  return stockBin
}
