import { posix } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Coordinator, type CoordinatorJob, type ReceivedUpload } from '@runner-core/runner/testing'
import { contentsOf, withArchive } from '@runner-core/testkit/archives/archive-rig'
import type { JobResult, Payload, PayloadServer, ResultEntry, ResultUpload } from './payload.ts'

/** How often it is looked whether a job has come so far that it is to be canceled, milliseconds. */
const watchMs = 50

/** The project's own coordinator. */
export class CoordinatorServer implements PayloadServer {
  readonly token: string = Coordinator.token
  readonly #coordinator: Coordinator
  readonly #jobs: Promise<readonly CoordinatorJob[]>
  readonly #watch: NodeJS.Timeout

  private constructor(coordinator: Coordinator, payloads: readonly Payload[]) {
    this.#coordinator = coordinator
    const enqueued = new Map<string, CoordinatorJob>()
    this.#jobs = this.#enqueue(payloads, enqueued)
    this.#watch = setInterval(() => {
      for (const { name, cancel } of payloads) {
        const job = enqueued.get(name)
        if (cancel !== undefined && job?.state === 'running' && job.trace.text().includes(cancel.once))
          job.cancel(cancel.how)
      }
    }, watchMs)
  }

  static async start(payloads: readonly Payload[]): Promise<CoordinatorServer> {
    return new CoordinatorServer(
      await Coordinator.start({ traceUpdateIntervalSeconds: 1, jobRequestsPerMinute: 2000 }),
      payloads,
    )
  }

  get url(): string {
    return this.#coordinator.url
  }

  async results(): Promise<readonly JobResult[]> {
    const results: JobResult[] = []
    for (const job of await this.#jobs) {
      await job.finished
      const { state, failureReason, exitCode } = job
      const uploads: ResultUpload[] = []
      for (const upload of job.uploads) uploads.push(await readUpload(upload))
      results.push({ name: job.spec.name ?? '', state, failureReason, exitCode, trace: job.trace.text(), uploads })
    }
    return results
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

  async #enqueue(
    payloads: readonly Payload[],
    enqueued: Map<string, CoordinatorJob>,
  ): Promise<readonly CoordinatorJob[]> {
    for (const { name, job, needs = [], gone } of payloads) {
      const dependencies = needs.map((need) => enqueued.get(need)!)
      for (const before of gone === true ? enqueued.values() : dependencies) await before.finished
      for (const dependency of gone === true ? dependencies : []) {
        this.#coordinator.inject({ on: 'download', jobId: dependency.id, times: 100, reply: { status: 404 } })
      }
      enqueued.set(name, this.#coordinator.enqueue({ ...job, name, dependencies }))
    }
    return [...enqueued.values()]
  }
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
