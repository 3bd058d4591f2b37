import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { JobResult, Payload, PayloadServer } from './payload.ts'

/** Why the independent coordinator cannot be had here; undefined when it can. */
export function pythonMissing(): string | undefined {
  return spawnSync('python3', ['--version']).status === 0 ? undefined : 'python3 is not installed'
}

interface Report {
  readonly results: readonly {
    readonly name: string
    readonly state: string
    readonly failureReason: string | null
    readonly exitCode: number | null
    readonly trace: string
    readonly uploads: readonly {
      readonly filename: string
      readonly type: string
      readonly format: string
      readonly expireIn: string
      readonly entries: readonly (readonly [path: string, mode: number, content: string])[]
    }[]
  }[]
  readonly violations: readonly string[]
  readonly met: Readonly<Record<string, number>>
}

/**
 * A coordinator that others could have written: `job_api.py`, which knows nothing of this project. It is given the
 * payloads, and reads the archives itself.
 */
export class PythonServer implements PayloadServer {
  readonly token = 'glrt-independent0000000'
  readonly url: string
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #report: Promise<Report>
  #violations: readonly string[] = []

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>, url: string, report: Promise<Report>) {
    this.#process = process
    this.url = url
    this.#report = report
  }

  static async start(payloads: readonly Payload[]): Promise<PythonServer> {
    const script = fileURLToPath(new URL('job_api.py', import.meta.url))
    const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<unknown> => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the independent coordinator ended early')
      return JSON.parse(value as string)
    }
    const jobs = payloads.map(({ name, job, needs, gone, cancel }) => ({ ...job, name, needs, gone, cancel }))
    child.stdin.write(`${JSON.stringify({ token: 'glrt-independent0000000', jobs })}\n`)
    const { url } = (await next()) as { readonly url: string }
    const report = next() as Promise<Report>
    report.catch(() => {})
    return new PythonServer(child, url, report)
  }

  async results(): Promise<readonly JobResult[]> {
    const { results, violations, met } = await this.#report
    // What has not come to pass was not tested.
    const unmet = Object.keys(met).filter((trouble) => met[trouble] === 0)
    this.#violations = [...violations, ...unmet.map((trouble) => `no answer was ${trouble}`)]
    return results.map(({ failureReason, exitCode, trace, uploads, ...rest }) => ({
      ...rest,
      failureReason: failureReason ?? undefined,
      exitCode: exitCode ?? undefined,
      trace: Buffer.from(trace, 'base64').toString(),
      uploads: uploads.map((upload) => ({
        ...upload,
        entries: upload.entries.map(([path, mode, content]) => ({
          path,
          mode,
          content: Buffer.from(content, 'base64'),
        })),
      })),
    }))
  }

  violations(): readonly string[] {
    return this.#violations
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('close', resolve))
    this.#process.stdin.end()
    await ended
  }
}
