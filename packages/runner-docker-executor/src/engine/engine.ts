import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, deadline } from '@runner-core/fleeting'
import Docker from 'dockerode'
import { asEngineError, EngineError } from './engine-error.ts'
import { type EngineRequest, openStream } from './engine-stream.ts'

/** Opens a byte stream to the Engine. */
export type DialEngine = () => Promise<Duplex>

export interface OpenEngineOptions {
  readonly dial: DialEngine
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How long the Engine may take to say which API it speaks, milliseconds. @defaultValue 30,000 */
  readonly limitMs?: number
}

/** The versions of the API between which an Engine must speak one: Docker 19.03, and what this was written for. */
const [oldestApi, newestApi] = ['1.40', '1.44']
/** Most calls answer in milliseconds; an Engine on a busy disk takes seconds. */
const callLimitMs = 60_000
/** Connections that are kept for the next call: each may be a channel of a slot's SSH connection. */
const maxFreeSockets = 2

/** A Docker Engine, or what speaks its API, at the other end of a dial. */
export class Engine {
  /**
   * With the version of the API that both speak. To be used within {@link call}.
   *
   * @internal not in the published types, which would need those of dockerode
   */
  readonly docker: Docker
  readonly apiVersion: string
  /** As the Engine gives them: `linux`, `amd64`. */
  readonly platform: { readonly os: string; readonly architecture: string }
  readonly #agent: Agent
  readonly #clock: Clock

  private constructor(
    agent: Agent,
    clock: Clock,
    apiVersion: string,
    platform: { readonly os: string; readonly architecture: string },
  ) {
    this.#agent = agent
    this.#clock = clock
    this.apiVersion = apiVersion
    this.platform = platform
    this.docker = createClient(agent, `v${apiVersion}`)
  }

  /** Thrown: {@link EngineError} `unreachable`, `timed_out`, `too_old`; the signal's reason. */
  static async open({ dial, clock, signal, limitMs = 30_000 }: OpenEngineOptions): Promise<Engine> {
    const agent = new DialAgent(dial)
    try {
      const answer = await bounded('asking for its version', { clock, limitMs, signal }, () =>
        createClient(agent, undefined).version(),
      )
      const apiVersion = commonVersion(answer)
      return new Engine(agent, clock, apiVersion, { os: `${answer.Os}`, architecture: `${answer.Arch}` })
    } catch (error) {
      agent.destroy()
      throw error
    }
  }

  /**
   * Makes one call. `during` says what for, as in `creating the job's container`. Thrown: {@link EngineError}; the
   * signal's reason.
   *
   * @internal as {@link docker}
   */
  call<Answer>(
    during: string,
    signal: AbortSignal,
    act: (docker: Docker, signal: AbortSignal) => Promise<Answer>,
    limitMs: number = callLimitMs,
  ): Promise<Answer> {
    return bounded(during, { clock: this.#clock, limitMs, signal }, (given) => act(this.docker, given))
  }

  /**
   * Makes one call whose answer is a stream, to be read as it comes. The signal ends the stream, too; how long it may
   * be silent is the reader's business. Thrown: {@link EngineError}, also for an answer that is not a success; the
   * signal's reason.
   */
  stream(
    during: string,
    signal: AbortSignal,
    request: EngineRequest,
    limitMs: number = callLimitMs,
  ): Promise<IncomingMessage> {
    const path = `/v${this.apiVersion}${request.path}`
    const target = { ...request, path, agent: this.#agent, host, [isRead]: true }
    return bounded(during, { clock: this.#clock, limitMs, signal }, (given) =>
      openStream(during, target, { opening: given, reading: signal }),
    )
  }

  /** Ends its connections. Idempotent. */
  close(): void {
    this.#agent.destroy()
  }
}

/** Any name does: the dial knows where the Engine is. Given, so that the environment's `DOCKER_HOST` is not asked. */
const host = 'docker'

function createClient(agent: Agent, version: string | undefined): Docker {
  // Its type leaves the agent out, which docker-modem hands to each request.
  const options: Docker.DockerOptions & { readonly agent: Agent } = { agent, host, port: 80, protocol: 'http' }
  return new Docker({ ...options, ...(version !== undefined && { version }) })
}

/** What Node's agent asks of every stream that it keeps, and a channel of an SSH connection does not have. */
function asSocket(stream: Duplex): Duplex {
  const self = (): Duplex => stream
  for (const name of ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref'])
    if (!(name in stream)) Object.assign(stream, { [name]: self })
  return stream
}

/** Longest answer that is taken as a whole, bytes: dockerode itself takes any. */
const longestAnswer = 16 * 1024 * 1024
/** Of a request whose answer is read as it comes. */
const isRead = Symbol('isRead')

/** What Node's agent gets of each request, which its type leaves out. */
interface RequestAgent {
  addRequest(request: ClientRequest, options: { readonly [isRead]?: true }): void
}

class DialAgent extends Agent implements RequestAgent {
  readonly #dial: DialEngine

  constructor(dial: DialEngine) {
    super({ keepAlive: true, maxFreeSockets })
    this.#dial = dial
  }

  addRequest(request: ClientRequest, options: { readonly [isRead]?: true }): void {
    if (options[isRead] !== true) request.once('response', (response) => boundAnswer(request, response))
    ;(Agent.prototype as unknown as RequestAgent).addRequest.call(this, request, options)
  }

  override createConnection(
    _options: object,
    onCreated?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    this.#dial().then(
      (stream) => onCreated?.(null, asSocket(stream)),
      (error: unknown) => onCreated?.(error as Error, undefined as never),
    )
    return undefined
  }
}

function boundAnswer(request: ClientRequest, response: IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= longestAnswer || request.destroyed) return
    request.destroy(new EngineError('failed', `the Engine sends an answer of more than ${longestAnswer} bytes`))
  })
}

async function bounded<Answer>(
  during: string,
  { clock, limitMs, signal }: { readonly clock: Clock; readonly limitMs: number; readonly signal: AbortSignal },
  act: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  signal.throwIfAborted()
  const late = (): Error => new EngineError('timed_out', `${during}: no answer within ${limitMs / 1000} s`)
  using limit = deadline(clock, limitMs, late, signal)
  let onAbort = (): void => {}
  // Not every call of dockerode can be aborted.
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(limit.signal.reason)
    limit.signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([act(limit.signal), aborted])
  } catch (error) {
    limit.signal.throwIfAborted()
    throw asEngineError(error, during)
  } finally {
    limit.signal.removeEventListener('abort', onAbort)
  }
}

/** The newest version that both speak. Thrown: {@link EngineError} `too_old`. */
export function commonVersion(answer: { readonly ApiVersion?: unknown; readonly MinAPIVersion?: unknown }): string {
  const { ApiVersion: newest, MinAPIVersion: oldest } = answer
  if (typeof newest !== 'string' || !isVersion(newest))
    throw new EngineError('too_old', 'the Engine does not say which version of the API it speaks')
  const least = typeof oldest === 'string' && isVersion(oldest) ? oldest : newest
  if (compareVersions(newest, oldestApi) < 0)
    throw new EngineError('too_old', `the Engine speaks version ${newest} of the API, at least ${oldestApi} is needed`)
  const common = compareVersions(newest, newestApi) < 0 ? newest : newestApi
  // What is newer than all we know still speaks its own oldest.
  return compareVersions(common, least) < 0 ? least : common
}

function isVersion(text: string): boolean {
  return /^\d{1,3}\.\d{1,4}$/.test(text)
}

function compareVersions(one: string, other: string): number {
  const [major = 0, minor = 0] = one.split('.').map(Number)
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number)
  return major - otherMajor || minor - otherMinor
}
