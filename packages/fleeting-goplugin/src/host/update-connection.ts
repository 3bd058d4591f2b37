import * as http2 from 'node:http2'
import { type NetConnectOpts, connect as openSocket } from 'node:net'
import { connect as openTls } from 'node:tls'
import { type GrpcStatus, grpcStatusOf } from '../wire/grpc-status.ts'
import type { Handshake } from '../wire/handshake.ts'
import { lengthPrefixed, messagesIn } from '../wire/length-prefixed.ts'
import type { UpdateResponse } from '../wire/messages.ts'
import { instanceGroupMethods } from '../wire/methods.ts'
import { WireError } from '../wire/wire-error.ts'
import { pem, type SessionCertificate } from './session-certificate.ts'

/** As much of a list as a plugin may send ahead: it is not to wait for us every 64 KiB. */
const windowBytes = 4 * 1024 * 1024

/** gRPC's status of what could not be asked or did not come through. */
const unavailable = 14

/**
 * `Update`, on a connection of its own: it has a message for each instance, and with 10,000 of them @grpc/grpc-js works
 * longer on the messages than the plugin on sending them. Connects with the first list and stays connected; a
 * connection that the plugin ended is opened again by the next list.
 */
export class UpdateConnection {
  readonly #connect: () => http2.ClientHttp2Session
  #session: http2.ClientHttp2Session | undefined

  /** `own`: what the plugin was offered TLS by. */
  constructor({ network, address, certificate }: Handshake, own: SessionCertificate | undefined) {
    const where = network === 'unix' ? { path: address } : portOf(address)
    const options = { settings: { initialWindowSize: windowBytes, enablePush: false } }
    this.#connect =
      certificate === undefined || own === undefined
        ? () => http2.connect('http://localhost', { ...options, createConnection: () => openSocket(where) })
        : () =>
            http2.connect('https://localhost', {
              ...options,
              createConnection: () => openTls({ ...where, ...identities(certificate, own) }),
            })
  }

  /**
   * Every row of the group, in the plugin's order. Thrown: {@link WireError}; the signal's reason, after which the
   * plugin is told that nobody waits any more.
   */
  update(signal: AbortSignal): Promise<readonly UpdateResponse[]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const session = this.#connected()
      const { path, requestSerialize, responseDeserialize } = instanceGroupMethods.Update
      const stream = session.request({
        ':method': 'POST',
        ':authority': 'localhost',
        ':path': path,
        te: 'trailers',
        'content-type': 'application/grpc',
        'grpc-accept-encoding': 'identity',
      })
      const onAbort = (): void => {
        // First: what cancelling tells is no news.
        reject(signal.reason)
        stream.close(http2.constants.NGHTTP2_CANCEL)
        // Whoever does not even take the connection is not to keep the next list waiting.
        if (session.connecting) session.destroy()
      }
      signal.addEventListener('abort', onAbort, { once: true })

      const chunks: Buffer[] = []
      let httpStatus = 200
      let trailers: http2.IncomingHttpHeaders = {}
      let failure: Error | undefined
      stream.on('response', (headers, flags) => {
        httpStatus = headers[':status'] ?? httpStatus
        // What is refused at once has only these. A status in others says nothing: the list may still break off.
        if ((flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0) trailers = headers
      })
      stream.on('trailers', (headers) => (trailers = headers))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', (error) => (failure = error))
      stream.on('close', () => {
        signal.removeEventListener('abort', onAbort)
        const status = grpcStatusOf(trailers)
        if (status === undefined) {
          const why = failure?.message ?? (httpStatus === 200 ? 'no status was received' : `HTTP status ${httpStatus}`)
          return reject(wireError({ code: unavailable, text: `Update was interrupted: ${why}` }, failure))
        }
        if (status.code !== 0) return reject(wireError(status, failure))
        try {
          resolve(Array.from(messagesIn(Buffer.concat(chunks)), responseDeserialize))
        } catch (error) {
          reject(wireError({ code: unavailable, text: `Update cannot be read: ${(error as Error).message}` }, error))
        }
      })
      stream.end(lengthPrefixed(requestSerialize({})))
    })
  }

  close(): void {
    this.#session?.destroy()
  }

  #connected(): http2.ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session
    const session = this.#connect()
    session.once('connect', () => session.setLocalWindowSize(windowBytes))
    // The list under way hears of it too; without one it matters to nobody.
    session.on('error', () => {})
    this.#session = session
    return session
  }
}

function identities(certificate: Buffer, own: SessionCertificate): object {
  return {
    ca: pem(certificate),
    cert: own.certificate,
    key: own.privateKey,
    servername: 'localhost',
    ALPNProtocols: ['h2'],
  }
}

/** `host:port`, where the host may be an IPv6 address in brackets. */
function portOf(address: string): NetConnectOpts & { readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replaceAll(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

function wireError({ code, text }: GrpcStatus, cause: unknown): WireError {
  return new WireError(code, text, { cause, succeeded: undefined })
}
