import type { PlannedJob } from '../planned-job.ts'
import { ShellExpandError } from '../variables/expand-effort.ts'
import { parseJobEnv } from '../variables/job-env.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import type { FileStageWork } from './file-stage.ts'
import { readCommand } from './machine-commands.ts'
import { received } from './received.ts'

/** Of what steps left in `GITLAB_ENV`: more is not read. */
const maxBytes = 1024 * 1024

/** Looks up, once, what a job's steps left in `GITLAB_ENV`. */
export class LateVariablesReader {
  readonly #plan: Pick<PlannedJob, 'jobEnvFile' | 'lateVariables'>
  readonly #mayBeLeft: boolean
  #variables: LateVariables | undefined

  /** `mayBeLeft`: false where it is known that they left nothing. */
  constructor(plan: Pick<PlannedJob, 'jobEnvFile' | 'lateVariables'>, mayBeLeft: boolean) {
    this.#plan = plan
    this.#mayBeLeft = mayBeLeft
  }

  /** Thrown: `TransferError`; `EnvironmentError`; the signal's reason. */
  async read(work: FileStageWork): Promise<LateVariables> {
    this.#variables ??= this.#plan.lateVariables(parseJobEnv(this.#mayBeLeft ? await this.#left(work) : ''))
    return this.#variables
  }

  async #left({ environment, log, signal }: FileStageWork): Promise<string> {
    const chunks: Buffer[] = []
    const what = 'reading the variables in GITLAB_ENV'
    const command = readCommand(this.#plan.jobEnvFile, maxBytes + 1)
    for await (const chunk of received({ environment, what, command, signal })) chunks.push(chunk)
    const left = Buffer.concat(chunks)
    if (left.length <= maxBytes) return left.toString()
    await log.warning(
      `GITLAB_ENV holds more than ${maxBytes} bytes: its variables are ignored for artifacts and caches`,
    )
    return ''
  }
}

/** What comes of a text, or, where nothing does, the text as it is, with a warning that begins with `what`. */
export async function expanded(
  text: string,
  what: string,
  variables: Pick<LateVariables, 'expand'>,
  { log }: Pick<FileStageWork, 'log'>,
): Promise<string> {
  try {
    return variables.expand(text)
  } catch (error) {
    if (!(error instanceof ShellExpandError)) throw error
    await log.warning(`${what} ${JSON.stringify(text)}: ${error.message}`)
    return text
  }
}
