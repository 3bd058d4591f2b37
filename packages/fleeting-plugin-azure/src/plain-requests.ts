// Reads that `@azure/arm-compute` does not have, or not in a form that a group can use. They go through its pipeline.
// - Network interfaces, public addresses and autoscale settings belong to Microsoft.Network and Microsoft.Insights:
//   `@azure/arm-network` and `@azure/arm-monitor` would be two more SDKs for three lists.
// - How an operation stands: the SDK's poller, polled once, also requests the resource once the operation has
//   succeeded, turns the code of a failure into a part of a message, and does not return what `Retry-After` says.
//
// The same policies apply as to the SDK's own requests: token, trust, proxy, signal, rate limits, refusals.
import {
  createHttpHeaders,
  createPipelineRequest,
  type HttpClient,
  type HttpHeaders,
  type Pipeline,
} from '@azure/core-rest-pipeline'
import { GroupError } from '@runner-core/fleeting'

export class PlainRequests {
  readonly #pipeline: Pipeline
  readonly #httpClient: HttpClient

  constructor(pipeline: Pipeline, httpClient: HttpClient) {
    this.#pipeline = pipeline
    this.#httpClient = httpClient
  }

  async get(url: string): Promise<{ readonly body: object; readonly headers: HttpHeaders }> {
    const request = createPipelineRequest({ url, headers: createHttpHeaders({ accept: 'application/json' }) })
    const { bodyAsText, headers } = await this.#pipeline.sendRequest(this.#httpClient, request)
    return { body: Object(JSON.parse(bodyAsText ?? '', withoutNull)), headers }
  }

  /** All rows of a list, in as many requests as there are pages. Thrown: `transient`, for what is no list. */
  async list<Row>(url: string): Promise<Row[]> {
    const rows: Row[] = []
    let next: string | undefined = url
    while (next !== undefined) {
      const { value, nextLink } = (await this.get(next)).body as {
        readonly value?: readonly Row[]
        readonly nextLink?: string
      }
      if (!Array.isArray(value))
        throw new GroupError('transient', `the answer of ${new URL(next).pathname} has no rows`)
      rows.push(...value)
      next = nextLink || undefined
    }
    return rows
  }
}

/** For `JSON.parse`: what is null is not there. */
function withoutNull(_key: string, value: unknown): unknown {
  return value ?? undefined
}
