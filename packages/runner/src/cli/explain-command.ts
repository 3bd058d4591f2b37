import { loadRunnable } from '../config/load-config.ts'
import { explainInstance, instanceLines } from '../explain/explain-instance.ts'
import { decisionText, explainJob, jobLines, timeText } from '../explain/explain-job.ts'
import { type RunnerRecord, readRecords } from '../status/read-records.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/** How long a manager may take to answer. */
const timeoutMs = 10_000

export interface ExplainOptions {
  readonly job?: string
  readonly instance?: string
  /** How many of the last decisions. */
  readonly last: number
  readonly json: boolean
  readonly allowIgnored: readonly string[]
}

/** `runner-core explain`. A job or instance that nobody knows is an error. Thrown: `ConfigError`, `NoManagerError`. */
export async function explain(file: string, options: ExplainOptions, output: Output): Promise<number> {
  const { settings } = await loadRunnable(file, options)
  const wallTime = (): number => Date.now()
  const records = await readRecords({ settings, wallTime, signal: AbortSignal.timeout(timeoutMs) })
  const answers = answersTo(records, options, wallTime())
  if (answers.length === 0) {
    const what = options.job === undefined ? `instance ${options.instance}` : `job ${options.job}`
    output.err(`error: nothing is on record of ${what}; only the last 10,000 decisions and jobs of a day are kept`)
    return exitCode.failed
  }
  if (options.json)
    output.out(
      JSON.stringify(
        answers.map(({ value }) => value),
        undefined,
        2,
      ),
    )
  else for (const { lines } of answers) for (const line of lines) output.out(line)
  return exitCode.ok
}

interface Answer {
  readonly value: object
  readonly lines: readonly string[]
}

function answersTo(
  records: readonly RunnerRecord[],
  { job, instance, last }: ExplainOptions,
  wallTime: number,
): Answer[] {
  return records.flatMap((record): Answer | [] => {
    const { runner } = record
    if (job !== undefined) {
      const explanation = explainJob(job, record, wallTime)
      return explanation === undefined
        ? []
        : { value: { runner, ...explanation }, lines: [`${runner}:`, ...jobLines(explanation)] }
    }
    if (instance !== undefined) {
      const explanation = explainInstance(instance, record)
      return explanation === undefined
        ? []
        : { value: { runner, ...explanation }, lines: [`${runner}:`, ...instanceLines(explanation)] }
    }
    const decisions = record.decisions.slice(-last)
    const lines = decisions.map((decision) => `  ${timeText(decision.at)}  ${decisionText(decision)}`)
    return {
      value: { runner, decisions },
      lines: [`${runner}:`, ...(lines.length === 0 ? ['  nothing has been decided yet'] : lines)],
    }
  })
}
