import type { JobPlan } from '../run/job-plan.ts'
import { parseJobEnv } from '../variables/job-env.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import { ShellExpandError } from '../variables/shell-expand.ts'
import type { FileStageWork } from './file-stage.ts'
import { readCommand } from './machine-commands.ts'
import { received } from './received.ts'

/** Of what steps left in `GITLAB_ENV`: more is not read. */
const mostBytes = 1024 * 1024

/** Looks up, once, what a job's steps left in `GITLAB_ENV`. */
export class LateVariablesReader {
  readonly #plan: Pick<JobPlan, 'jobEnvFile' | 'lateVariables'>
  readonly #mayBeLeft: boolean
  #left: Buffer | undefined

  /** `mayBeLeft`: false where it is known that they left nothing. */
  constructor(plan: Pick<JobPlan, 'jobEnvFile' | 'lateVariables'>, mayBeLeft: boolean) {
    this.#plan = plan
    this.#mayBeLeft = mayBeLeft
  }

  /** Thrown: `TransferError`; `EnvironmentError`; the signal's reason. */
  async read({ environment, log, signal }: FileStageWork): Promise<LateVariables> {
    if (this.#left === undefined) {
      let bytes = Buffer.alloc(0)
      const what = 'reading what was left in GITLAB_ENV'
      if (this.#mayBeLeft)
        for await (const chunk of received({ environment, what, command: readCommand(this.#plan.jobEnvFile), signal })) {
          bytes = Buffer.concat([bytes, chunk])
          if (bytes.length > mostBytes) break
        }
      this.#left = bytes
    }
    if (this.#left.length > mostBytes) {
      await log.warning(`GITLAB_ENV holds more than ${mostBytes} bytes: artifacts and caches do not see its variables`)
      return this.#plan.lateVariables(new Map())
    }
    return this.#plan.lateVariables(parseJobEnv(this.#left.toString()))
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
