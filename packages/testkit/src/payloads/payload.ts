import type { JobSpec } from '@runner-core/runner/testing'

/** A job as somebody's pipeline has it, and how any runner that keeps GitLab's promises must end it. */
export interface Payload {
  readonly name: string
  readonly job: Omit<JobSpec, 'name' | 'dependencies' | 'marker'>
  /** Names of earlier payloads whose artifacts it gets: it is handed out when they have ended. */
  readonly needs?: readonly string[]
  /** Names of earlier payloads that leave something for it where its jobs run: they are never left out. */
  readonly follows?: readonly string[]
  /** What it needs is announced to it, and is there no more when it asks. */
  readonly gone?: true
  /** Somebody cancels it when this text, which the script's own lines must not have, is in its trace. */
  readonly cancel?: { readonly once: string; readonly how: 'gracefully' | 'at once' }
  readonly expected: Expected
}

export interface Expected {
  readonly state: 'success' | 'failed' | 'canceled'
  /** Not looked at where the job is canceled. */
  readonly failureReason?: string
  readonly exitCode?: number
  /**
   * Names of all sections of the trace, in the order in which they begin. Default: those of a job without files and
   * without `after_script`.
   */
  readonly sections?: readonly string[]
  /** Whole lines of the trace, colours removed, in this order, others between them. */
  readonly lines?: readonly (string | RegExp)[]
  /** What the trace must not have anywhere. */
  readonly lacks?: readonly string[]
  /** What every line of the trace must be. */
  readonly everyLine?: RegExp
  /** All that it leaves, in this order. Default: nothing. */
  readonly uploads?: readonly ExpectedUpload[]
}

export interface ExpectedUpload {
  readonly filename: string
  readonly type: string
  readonly format: 'zip' | 'gzip' | 'raw'
  readonly expireIn?: string
  /**
   * All entries by path: what `ls -l` shows of the mode, and the content, or the target of a link. The one file of a
   * report is called as the upload.
   */
  readonly entries: Readonly<Record<string, readonly [mode: string, content: string | Buffer]>>
}

/** How a job ended. */
export interface JobResult {
  readonly name: string
  readonly state: string
  readonly failureReason: string | undefined
  readonly exitCode: number | undefined
  readonly trace: string
  readonly uploads: readonly ResultUpload[]
}

export interface ResultUpload {
  readonly filename: string
  readonly type: string
  readonly format: string
  readonly expireIn: string
  readonly entries: readonly ResultEntry[]
}

/** One entry of what was uploaded. `content` of a link is its target. */
export interface ResultEntry {
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

/** Whoever hands out payloads to one runner. */
export interface PayloadServer extends AsyncDisposable {
  readonly url: string
  readonly token: string
  /** All that came of them, in their order, once the last has ended. */
  results(): Promise<readonly JobResult[]>
  /** What the runner did that the job API does not allow, so far. */
  violations(): readonly string[]
}
