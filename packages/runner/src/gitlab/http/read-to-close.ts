import type { IncomingHttpHeaders } from 'node:http'
import { DecoratorHandler, type Dispatcher } from 'undici'

type Controller = Dispatcher.DispatchController

/**
 * An interceptor that takes an answer as fast as it comes where its server closes the connection after it. undici 7
 * falls over an assertion, which nobody can catch, when such a connection ends while its reader has asked for a pause
 * (https://github.com/nodejs/undici/issues/5360, mended in undici 8 alone, which needs Node 22). What the reader has
 * not taken yet waits in memory.
 */
export const readToClose: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  // Whatever form a handler has, this one has the present one.
  const inner: Dispatcher.DispatchHandler = new DecoratorHandler(handler)
  let controller: Controller | undefined
  return dispatch(options, {
    onRequestStart: (given, context) => inner.onRequestStart?.(given, context),
    onRequestUpgrade: (given, statusCode, headers, socket) =>
      inner.onRequestUpgrade?.(given, statusCode, headers, socket),
    onResponseStart(given, statusCode, headers, statusMessage) {
      controller = isKept(headers) ? given : withoutPause(given)
      inner.onResponseStart?.(controller, statusCode, headers, statusMessage)
    },
    onResponseData: (given, chunk) => inner.onResponseData?.(controller ?? given, chunk),
    onResponseEnd: (given, trailers) => inner.onResponseEnd?.(given, trailers),
    onResponseError: (given, error) => inner.onResponseError?.(given, error),
  })
}

/** Whether the connection serves further requests, as far as headers tell. */
function isKept(headers: IncomingHttpHeaders): boolean {
  const hasEnd = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  return hasEnd && !/\bclose\b/i.test(headers.connection ?? '')
}

function withoutPause(controller: Controller): Controller {
  return {
    pause: () => {},
    resume: () => {},
    abort: (reason) => controller.abort(reason),
    get aborted() {
      return controller.aborted
    },
    get paused() {
      return false
    },
    get reason() {
      return controller.reason
    },
    rawHeaders: controller.rawHeaders ?? null,
    rawTrailers: controller.rawTrailers ?? null,
  }
}
