import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, deadline } from '@runner-core/fleeting'
import Docker from 'dockerode'
import { asEngineError, EngineError } from './engine-error.ts'
import { type EngineRequest, openConnection, openStream } from './engine-stream.ts'

/** Opens a byte stream to the Engine. */
export type DialEngine = () => Promise<Duplex>

export interface OpenEngineOptions {
  readonly dial: DialEngine
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Maximum time until the Engine reports the version of its API, milliseconds. @defaultValue 30,000 */
  readonly limitMs?: number
}

/** The supported range of API versions: from that of Docker 19.03 to the one this was written for. */
const [oldestApi, newestApi] = ['1.40', '1.44']
/** Most calls take milliseconds; an Engine on a busy disk takes seconds. */
const callLimitMs = 60_000
/** Idle connections kept for the next call. Few, since each may be a channel of a slot's SSH connection. */
const maxFreeSockets = 2

/** A Docker Engine, or another server with its API, reached by a dial. */
export class Engine {
  /**
   * Uses the newest API version that both support. For use within {@link call}.
   *
   * @internal not in the published types, which would need those of dockerode
   */
  readonly docker: Docker
  readonly apiVersion: string
  /** As the Engine gives them: `linux`, `amd64`. */
  readonly platform: { readonly os: string; readonly architecture: string }
  /** Whether it is Podman: it begins a log that is full anew, and keeps none of it. */
  readonly isPodman: boolean
  readonly #agent: Agent
  readonly #clock: Clock

  private constructor(
    agent: Agent,
    clock: Clock,
    apiVersion: string,
    platform: { readonly os: string; readonly architecture: string },
    isPodman: boolean,
  ) {
    this.#agent = agent
    this.#clock = clock
    this.apiVersion = apiVersion
    this.platform = platform
    this.isPodman = isPodman
    this.docker = createClient(agent, `v${apiVersion}`)
  }

  /** @throws {@link EngineError} `unreachable`, `timed_out` or `too_old`; the signal's reason. */
  static async open({ dial, clock, signal, limitMs = 30_000 }: OpenEngineOptions): Promise<Engine> {
    const agent = new DialAgent(dial)
    try {
      const answer = await bounded('asking for its version', { clock, limitMs, signal }, () =>
        createClient(agent, undefined).version(),
      )
      const apiVersion = commonVersion(answer)
      const platform = { os: `${answer.Os}`, architecture: `${answer.Arch}` }
      return new Engine(agent, clock, apiVersion, platform, isOfPodman(answer))
    } catch (error) {
      agent.destroy()
      throw error
    }
  }

  /**
   * Makes one call. `during` names its purpose in errors, as in `creating the job's container`.
   *
   * @internal as {@link docker}
   * @throws {@link EngineError}; the signal's reason.
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
   * Makes one call whose response is a stream. The signal also ends the stream; the reader decides how long it may be
   * silent.
   *
   * @throws {@link EngineError}, also for a response that is not a success; the signal's reason.
   */
  stream(
    during: string,
    signal: AbortSignal,
    request: EngineRequest,
    limitMs: number = callLimitMs,
  ): Promise<IncomingMessage> {
    const path = `/v${request.version ?? this.apiVersion}${request.path}`
    const target = { ...request, path, agent: this.#agent, host, [isStreamed]: true }
    return bounded(during, { clock: this.#clock, limitMs, signal }, (given) =>
      openStream(during, target, { opening: given, reading: signal }),
    )
  }

  /** Makes one call that the connection is then handed to. The signal does not end it. Thrown: as {@link stream}. */
  connect(during: string, signal: AbortSignal, path: string): Promise<Duplex> {
    const target = { method: 'POST', path: `/v${this.apiVersion}${path}`, agent: this.#agent, host, [isStreamed]: true }
    return bounded(during, { clock: this.#clock, limitMs: callLimitMs, signal }, (given) =>
      openConnection(during, target, given),
    )
  }

  /** Closes the connections. Idempotent. */
  close(): void {
    this.#agent.destroy()
  }
}

/** Any name works, since the dial reaches the Engine. It is set so that dockerode does not read `DOCKER_HOST`. */
const host = 'docker'

function createClient(agent: Agent, version: string | undefined): Docker {
  // The type lacks `agent`, which docker-modem passes to each request.
  const options: Docker.DockerOptions & { readonly agent: Agent } = { agent, host, port: 80, protocol: 'http' }
  return new Docker({ ...options, ...(version !== undefined && { version }) })
}

/** Adds the methods of a socket that Node's agent calls and that a channel of an SSH connection lacks. */
function asSocket(stream: Duplex): Duplex {
  const self = (): Duplex => stream
  for (const name of ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref'])
    if (!(name in stream)) Object.assign(stream, { [name]: self })
  return stream
}

/** Maximum size of a response that is read as a whole, bytes: dockerode itself has no limit. */
const maxAnswerBytes = 16 * 1024 * 1024
/** Marks a request whose response is read as a stream. */
const isStreamed = Symbol('isStreamed')

/** A method of Node's agent that its type lacks. */
interface RequestAgent {
  addRequest(request: ClientRequest, options: { readonly [isStreamed]?: true }): void
}

class DialAgent extends Agent implements RequestAgent {
  readonly #dial: DialEngine

  constructor(dial: DialEngine) {
    super({ keepAlive: true, maxFreeSockets })
    this.#dial = dial
  }

  addRequest(request: ClientRequest, options: { readonly [isStreamed]?: true }): void {
    if (options[isStreamed] !== true) request.once('response', (response) => limitAnswer(request, response))
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

function limitAnswer(request: ClientRequest, response: IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxAnswerBytes || request.destroyed) return
    request.destroy(new EngineError('failed', `the Engine sent a response of more than ${maxAnswerBytes} bytes`))
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

/**
 * The newest version that both support.
 *
 * @throws {@link EngineError} `too_old`.
 */
export function commonVersion(answer: { readonly ApiVersion?: unknown; readonly MinAPIVersion?: unknown }): string {
  const { ApiVersion: newest, MinAPIVersion: oldest } = answer
  if (typeof newest !== 'string' || !isVersion(newest))
    throw new EngineError('too_old', 'the Engine does not report the version of its API')
  const minimum = typeof oldest === 'string' && isVersion(oldest) ? oldest : newest
  if (compareVersions(newest, oldestApi) < 0)
    throw new EngineError(
      'too_old',
      `the Engine supports version ${newest} of the API, at least ${oldestApi} is needed`,
    )
  const common = compareVersions(newest, newestApi) < 0 ? newest : newestApi
  // An Engine whose oldest version is newer than our newest one is tried with that.
  return compareVersions(common, minimum) < 0 ? minimum : common
}

function isOfPodman({ Components: components }: { readonly Components?: unknown }): boolean {
  return Array.isArray(components) && components.some((each) => /^podman/i.test(String(each?.Name)))
}

function isVersion(text: string): boolean {
  return /^\d{1,3}\.\d{1,4}$/.test(text)
}

function compareVersions(one: string, other: string): number {
  const [major = 0, minor = 0] = one.split('.').map(Number)
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number)
  return major - otherMajor || minor - otherMinor
}
