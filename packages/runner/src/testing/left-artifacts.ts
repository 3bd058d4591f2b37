import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ApiRequest, ReportViolation } from './api-request.ts'
import { type Reply, refusal, reply } from './reply.ts'

/** What a job left for later ones. */
export interface LeftArtifacts {
  readonly filename: string
  readonly bytes: Buffer
}

/** A job whose artifacts later ones may get. */
export interface EarlierJob {
  readonly id: number
  readonly spec: { readonly name?: string }
  readonly dependencyToken: string
  readonly artifacts: LeftArtifacts | undefined
}

/**
 * Answers a request for artifacts as GitLab does: with the bytes, or with where they are when the client may be sent
 * there.
 */
export function sendArtifacts(
  job: EarlierJob,
  { headers, target }: ApiRequest,
  elsewhere: string | undefined,
  report: ReportViolation,
): Reply {
  if (headers['job-token'] !== job.dependencyToken) {
    report('token', 'not the token of the job that left the artifacts')
    return refusal(403, 'Forbidden')
  }
  if (job.artifacts === undefined) return refusal(404, 'Not Found')
  const { bytes, filename } = job.artifacts
  if (elsewhere !== undefined && target.endsWith('?direct_download=true'))
    return {
      ...reply(302, {
        Location: `${elsewhere}/${job.id}/${encodeURIComponent(filename)}?X-Amz-Signature=0123456789abcdef`,
      }),
      body: '',
    }
  return { status: 200, headers: { 'Content-Type': 'application/octet-stream' }, body: bytes }
}

/** A second server, where artifacts of `jobs` are, too. It takes note of clients that show it what it must not see. */
export class ArtifactBucket implements AsyncDisposable {
  readonly url: string
  /** Names of headers that held a job's token, a runner's, or a signed-in user's. */
  readonly leaks: string[] = []
  /** Paths that were asked for. */
  readonly requests: string[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(jobs: () => readonly EarlierJob[]): Promise<ArtifactBucket> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bucket = new ArtifactBucket(server)
    server.on('request', ({ url = '', headers }, response) => {
      bucket.requests.push(url)
      bucket.leaks.push(...Object.keys(headers).filter((name) => /token|authorization|cookie/.test(name)))
      const job = jobs().find(({ id }) => url.startsWith(`/${id}/`))
      response.statusCode = job?.artifacts === undefined ? 404 : 200
      response.end(job?.artifacts?.bytes)
    })
    return bucket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}
