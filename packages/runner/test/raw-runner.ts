import { crc32 } from 'node:zlib'
import { Coordinator } from '@runner-core/runner/testing'

/** What every request about a runner says of it. */
export const info = {
  name: 'r',
  version: '1',
  revision: 'x',
  platform: 'linux',
  architecture: 'amd64',
  executor: 'instance',
  shell: 'bash',
}
export const twoPhase = { two_phase_job_commit: true, cancel_gracefully: true, trace_checksum: true }

export interface JobReply {
  readonly id: number
  readonly token: string
  readonly variables: { key: string; value: string }[]
}

/** A runner that sends exactly the requests it is told to send. */
export class RawRunner {
  readonly #url: string

  constructor(url: string) {
    this.#url = `${url}/api/v4`
  }

  post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
    const usual = {
      'Content-Type': 'application/json',
      Accept: 'application/json',
      'RUNNER-TOKEN': Coordinator.token,
      'User-Agent': 'raw',
    }
    return fetch(`${this.#url}/${path}`, {
      method: 'POST',
      headers: { ...usual, ...headers },
      body: JSON.stringify(body),
    })
  }

  request(lastUpdate?: string, features: object = twoPhase, token = Coordinator.token): Promise<Response> {
    const body = { token, system_id: 's_0123456789ab', info: { ...info, features }, last_update: lastUpdate }
    return this.post('jobs/request', body, { 'RUNNER-TOKEN': token })
  }

  async take(features?: object): Promise<JobReply> {
    return (await (await this.request(undefined, features)).json()) as JobReply
  }

  /** Takes a job and accepts it. */
  async begin(): Promise<JobReply> {
    const job = await this.take()
    await this.put(job, { state: 'running' })
    return job
  }

  put(job: JobReply, body: object): Promise<Response> {
    return fetch(`${this.#url}/jobs/${job.id}`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json', 'JOB-TOKEN': job.token },
      body: JSON.stringify({ token: job.token, info, ...body }),
    })
  }

  patch(
    job: JobReply,
    start: number,
    text: string,
    range = `${start}-${start + Buffer.byteLength(text) - 1}`,
  ): Promise<Response> {
    return fetch(`${this.#url}/jobs/${job.id}/trace?debug_trace=false`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'text/plain', 'JOB-TOKEN': job.token, 'Content-Range': range },
      body: text,
    })
  }

  finish(job: JobReply, text: string, body: object = { state: 'success' }): Promise<Response> {
    const checksum = `crc32:${crc32(text).toString(16).padStart(8, '0')}`
    return this.put(job, { checksum, output: { checksum, bytesize: Buffer.byteLength(text) }, ...body })
  }
}
