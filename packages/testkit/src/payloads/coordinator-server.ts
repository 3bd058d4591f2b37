import { posix } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Coordinator, type CoordinatorJob, type ReceivedUpload } from '@runner-core/runner/testing'
import { contentsOf, withArchive } from '@runner-core/testkit/archives/archive-rig'
import type { JobResult, Payload, PayloadServer, ResultEntry, ResultUpload } from './payload.ts'

/** How often it is looked whether a job has come so far that it is to be canceled, milliseconds. */
const watchMs = 50

export interface CoordinatorServerOptions {
  /** Of the runners that may come. Default: one. */
  readonly tokens?: readonly string[]
  /** Of each job, from when it could be had to its end, milliseconds; it is canceled then. Default: no bound. */
  readonly deadlineMs?: number
  /** Called as each job ends, with the milliseconds that it took. */
  readonly onEnd?: ((name: string, state: string, tookMs: number) => void) | undefined
}

/** The project's own coordinator. It hands out a job once the one before has ended. */
export class CoordinatorServer implements PayloadServer {
  readonly token: string = Coordinator.token
  readonly #coordinator: Coordinator
  readonly #results: Promise<readonly JobResult[]>
  readonly #watch: NodeJS.Timeout

  private constructor(coordinator: Coordinator, payloads: readonly Payload[], options: CoordinatorServerOptions) {
    this.#coordinator = coordinator
    const enqueued = new Map<string, CoordinatorJob>()
    this.#results = this.#handOut(payloads, enqueued, options)
    this.#results.catch(() => {})
    this.#watch = setInterval(() => {
      for (const { name, cancel } of payloads) {
        const job = enqueued.get(name)
        if (cancel !== undefined && job?.state === 'running' && job.trace.text().includes(cancel.once))
          job.cancel(cancel.how)
      }
    }, watchMs)
  }

  static async start(payloads: readonly Payload[], options: CoordinatorServerOptions = {}): Promise<CoordinatorServer> {
    const { tokens } = options
    return new CoordinatorServer(
      await Coordinator.start({
        traceUpdateIntervalSeconds: 1,
        jobRequestsPerMinute: 2000,
        ...(tokens !== undefined && { tokens }),
      }),
      payloads,
      options,
    )
  }

  get url(): string {
    return this.#coordinator.url
  }

  results(): Promise<readonly JobResult[]> {
    return this.#results
  }

  violations(): readonly string[] {
    return this.#coordinator.violations.map((violation) => JSON.stringify(violation))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch)
    for (const { spec, state, trace } of this.#coordinator.jobs.filter(({ hasEnded }) => !hasEnded).slice(0, 3))
      console.error(
        `${JSON.stringify(spec.name)} is ${state} still; its trace ends ${JSON.stringify(trace.text().slice(-300))}`,
      )
    await this.#coordinator.close()
  }

  async #handOut(
    payloads: readonly Payload[],
    enqueued: Map<string, CoordinatorJob>,
    { deadlineMs, onEnd }: CoordinatorServerOptions,
  ): Promise<readonly JobResult[]> {
    const ended: (readonly [job: CoordinatorJob, state: string])[] = []
    for (const { name, job: spec, needs = [], gone } of payloads) {
      const dependencies = needs.map((need) => enqueued.get(need)!)
      for (const dependency of gone === true ? dependencies : [])
        this.#coordinator.inject({ on: 'download', jobId: dependency.id, times: 100, reply: { status: 404 } })
      const began = performance.now()
      const job = this.#coordinator.enqueue({ ...spec, name, dependencies })
      enqueued.set(name, job)
      const state = await stateAtEnd(job, deadlineMs)
      ended.push([job, state])
      onEnd?.(name, state, performance.now() - began)
    }
    // Of a job that was canceled the last words come after its end: all are read when the last job is over.
    return Promise.all(ended.map(([job, state]) => resultOf(job, state)))
  }
}

/** A line for each job that ended. */
export function endLines(progress: ((line: string) => void) | undefined): CoordinatorServerOptions['onEnd'] {
  return (name, state, tookMs) => progress?.(`${name}: ${state} (${(tookMs / 1000).toFixed(1)} s)`)
}

/** The state in which a job ends. One that is past its deadline is canceled. Thrown: no runner has come for it. */
async function stateAtEnd(job: CoordinatorJob, deadlineMs: number | undefined): Promise<string> {
  const finished = job.finished.then(({ state }) => state)
  if (deadlineMs === undefined) return finished
  const late = new AbortController()
  const state = await Promise.race([finished, setTimeout(deadlineMs, undefined, { signal: late.signal })])
  late.abort()
  if (state !== undefined) return state
  const within = `within ${deadlineMs / 1000} s`
  if (job.assignment === undefined) throw new Error(`no runner came for ${JSON.stringify(job.spec.name)} ${within}`)
  job.cancel('at once')
  return `no end ${within}`
}

async function resultOf(
  { spec, failureReason, exitCode, trace, uploads }: CoordinatorJob,
  state: string,
): Promise<JobResult> {
  const read: ResultUpload[] = []
  for (const upload of uploads) read.push(await readUpload(upload))
  return { name: spec.name ?? '', state, failureReason, exitCode, trace: trace.text(), uploads: read }
}

async function readUpload({ bytes = Buffer.alloc(0), ...upload }: ReceivedUpload): Promise<ResultUpload> {
  if (upload.format === 'zip')
    return { ...upload, entries: await withArchive(bytes, async (archive) => zipEntries(await contentsOf(archive))) }
  return {
    ...upload,
    entries: [{ path: upload.filename, mode: 0o100644, content: upload.format === 'gzip' ? gunzipSync(bytes) : bytes }],
  }
}

const fileTypes = { file: 0o100000, directory: 0o040000, symlink: 0o120000, hardlink: 0o100000 }

function zipEntries(contents: Awaited<ReturnType<typeof contentsOf>>): readonly ResultEntry[] {
  return [...contents.values()].map((entry) => ({
    path: entry.type === 'directory' ? posix.join(entry.path, '/') : entry.path,
    mode: fileTypes[entry.type] | entry.mode,
    content: entry.type === 'symlink' ? Buffer.from(entry.target) : Buffer.from(entry.content ?? '', 'latin1'),
  }))
}
