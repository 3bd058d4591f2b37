/** What GitLab Runner's custom executor calls a driver for. */
type CallName = 'config' | 'prepare' | 'run' | 'cleanup'

/** One call of a driver, as its client passes it on: see `bin/custom-executor.cjs`. */
export interface Call {
  readonly call: CallName
  /** Name of the `[[runners]]` entry whose machines the job is for; absent: the only one. */
  readonly runner?: string
  /** GitLab Runner's temporary directory of this try of the job: no other has it. */
  readonly temporaryDirectory: string
  /** `JOB_RESPONSE_FILE`; absent before GitLab Runner 14.1. */
  readonly jobFile?: string
  /** Number of the process that made the call: the GitLab Runner. */
  readonly owner: number
  /** With `run`. */
  readonly script?: string
  readonly stage?: string
}

/** How a call ended: `build` the job's own failure, with its exit status; `system` ours. */
export type CallEnd =
  | { readonly end: 'ok' }
  | { readonly end: 'build'; readonly status: number }
  | { readonly end: 'system' }

const names: readonly string[] = ['config', 'prepare', 'run', 'cleanup'] satisfies CallName[]

/** Thrown: `Error` when the line is no call. */
export function parseCall(line: string): Call {
  const value = JSON.parse(line) as Partial<Record<keyof Call, unknown>>
  const isText = (text: unknown): boolean => typeof text === 'string' && text !== ''
  const isOptionalText = (text: unknown): boolean => text === undefined || isText(text)
  const isCall =
    names.includes(value.call as string) &&
    isText(value.temporaryDirectory) &&
    isOptionalText(value.runner) &&
    isOptionalText(value.jobFile) &&
    Number.isSafeInteger(value.owner) &&
    (value.call !== 'run' || (isText(value.script) && isText(value.stage)))
  if (!isCall) throw new Error('expected a call of the custom executor')
  return value as Call
}
