import type { Route } from '@runner-core/runner/internals'
import type { WorldProcess } from '../world-process.ts'
import type { WireRequest, WorldCoordinator } from './world-coordinator.ts'

type Dispatcher = Route['dispatcher']
type Dispatch = Dispatcher['dispatch']
type Handler = Parameters<Dispatch>[1]

export interface WorldRouteOptions {
  readonly process: WorldProcess
  readonly coordinator: WorldCoordinator
  /** Longest silence in an answer, milliseconds. */
  readonly answerTimeoutMs: number
  /** On the way, there and back, milliseconds. */
  readonly latencyMs: number
  /** A request begins, and is over however it ended. */
  readonly onRequest: (request: WireRequest) => () => void
}

/**
 * A way to the coordinator without sockets: what undici's dispatcher is for production, with requests as effects of the
 * process, and time-outs at the world's clock.
 */
export function worldRoute(options: WorldRouteOptions): Route {
  const open = new Set<(error: Error) => void>()
  const dispatcher = {
    dispatch(request: Parameters<Dispatch>[0], handler: Handler): boolean {
      dispatch(request, handler, options, open)
      return true
    },
    async destroy(): Promise<void> {
      for (const fail of open) fail(Object.assign(new Error('the client is destroyed'), { code: 'UND_ERR_DESTROYED' }))
    },
  }
  return { dispatcher: dispatcher as unknown as Dispatcher, origin: 'http://gitlab.world', pathPrefix: '', headers: {} }
}

function dispatch(
  { method, path, headers, body }: Parameters<Dispatch>[0],
  handler: Handler,
  { process, coordinator, answerTimeoutMs, latencyMs, onRequest }: WorldRouteOptions,
  open: Set<(error: Error) => void>,
): void {
  const request: WireRequest = {
    method,
    path,
    headers: headers as Readonly<Record<string, string>>,
    body: Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : ''),
  }
  const cut = new AbortController()
  let isOver = false
  const controller = {
    aborted: false,
    paused: false,
    reason: null as Error | null,
    abort: (reason: Error) => fail(reason),
    pause() {},
    resume() {},
  } as unknown as Parameters<NonNullable<Handler['onRequestStart']>>[0]
  const over = onRequest(request)
  const finish = (): boolean => {
    if (isOver) return false
    isOver = true
    open.delete(fail)
    cancelTimeout()
    over()
    return true
  }
  const fail = (error: Error): void => {
    if (!finish()) return
    cut.abort(error)
    handler.onResponseError?.(controller, error)
  }
  open.add(fail)
  const silence = (): Error => Object.assign(new Error('Headers Timeout Error'), { code: 'UND_ERR_HEADERS_TIMEOUT' })
  const cancelTimeout = process.clock.after(answerTimeoutMs, () => fail(silence()))
  handler.onRequestStart?.(controller, undefined)
  if (isOver) return
  const wait = async (): Promise<void> => {
    if (latencyMs > 0) await new Promise<void>((resolve) => process.clock.after(latencyMs, resolve))
  }
  void process
    .effect('coordinator', `${request.method} ${request.path.split('?')[0]}`, () =>
      coordinator.exchange(process, request, cut.signal),
    )
    .then(async (answer) => {
      await wait()
      if (!finish()) return
      const lower = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value]),
      )
      handler.onResponseStart?.(controller, answer.status, lower, '')
      if (answer.body.length > 0) handler.onResponseData?.(controller, Buffer.from(answer.body))
      handler.onResponseEnd?.(controller, {})
    })
    .catch(fail)
}
