import * as grpc from '@grpc/grpc-js'
import { codec } from '../wire/codec.ts'
import type { Handshake } from '../wire/handshake.ts'
import type { UpdateResponse, WireMessages } from '../wire/messages.ts'
import {
  controllerMethods,
  type InstanceGroupMethods,
  instanceGroupMethods,
  stdioMethods,
  type WireMethod,
} from '../wire/methods.ts'
import { WireError } from '../wire/wire-error.ts'
import { pem, type SessionCertificate } from './session-certificate.ts'
import { UpdateConnection } from './update-connection.ts'

type Methods = InstanceGroupMethods
type RequestOf<Name extends keyof Methods> = Methods[Name] extends WireMethod<infer Request, infer _> ? Request : never
type ResponseOf<Name extends keyof Methods> =
  Methods[Name] extends WireMethod<infer _, infer Response> ? Response : never

const options: grpc.ClientOptions = {
  // The protocol has no limit, and both ends of upstream lift gRPC's.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // A plugin listens on this machine, whatever proxies the environment names for the plugin's own calls.
  'grpc.enable_http_proxy': 0,
  // Never shared: the same path or port may be another plugin's after a restart.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.ssl_target_name_override': 'localhost',
  'grpc.default_authority': 'localhost',
}

/** Calls to one plugin's process. */
export class PluginClient {
  readonly #client: grpc.Client
  readonly #updates: UpdateConnection

  /** `own`: what the plugin was offered TLS by. It is spoken when the plugin took the offer. */
  constructor(handshake: Handshake, own: SessionCertificate | undefined) {
    const { network, address, certificate } = handshake
    const credentials =
      certificate === undefined || own === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(
            Buffer.from(pem(certificate)),
            Buffer.from(own.privateKey),
            Buffer.from(own.certificate),
          )
    this.#client = new grpc.Client(network === 'unix' ? `unix:${address}` : address, credentials, options)
    this.#updates = new UpdateConnection(handshake, own)
  }

  /** Thrown: {@link WireError}; the signal's reason, after which the plugin is told that nobody waits any more. */
  call<Name extends Exclude<keyof Methods, 'Update'>>(
    name: Name,
    request: RequestOf<Name>,
    signal: AbortSignal,
  ): Promise<ResponseOf<Name>> {
    return this.#unary(
      instanceGroupMethods[name] as unknown as WireMethod<RequestOf<Name>, ResponseOf<Name>>,
      request,
      signal,
    )
  }

  /** Every row of the group. Thrown: as by {@link call}. */
  update(signal: AbortSignal): Promise<readonly UpdateResponse[]> {
    return this.#updates.update(signal)
  }

  /** Hands over what the plugin prints, until it ends. Works once. */
  prints(onData: (data: WireMessages['StdioData']) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const { path, requestSerialize, responseDeserialize } = stdioMethods.StreamStdio
      const call = this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {})
      const onAbort = (): void => {
        reject(signal.reason)
        call.cancel()
      }
      const over = (): void => signal.removeEventListener('abort', onAbort)
      signal.addEventListener('abort', onAbort, { once: true })
      call.on('data', onData)
      call.once('end', () => {
        over()
        resolve()
      })
      call.on('error', (error: grpc.ServiceError) => {
        over()
        reject(asWireError(error))
      })
    })
  }

  /** Asks the process to end. */
  async endProcess(signal: AbortSignal): Promise<void> {
    await this.#unary(controllerMethods.Shutdown, {}, signal)
  }

  close(): void {
    this.#client.close()
    this.#updates.close()
  }

  #unary<Request, Response>(
    method: WireMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const { path, requestSerialize, responseDeserialize } = method
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error, answer) => {
          signal.removeEventListener('abort', onAbort)
          if (error) reject(asWireError(error))
          else resolve(answer as Response)
        },
      )
      const onAbort = (): void => {
        // First: what cancelling tells is no news.
        reject(signal.reason)
        call.cancel()
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

const errorStatus = codec('ErrorStatus')

function asWireError(error: grpc.ServiceError): WireError {
  return new WireError(error.code, error.details || error.message, { cause: error, succeeded: succeededOf(error) })
}

function succeededOf({ metadata }: grpc.ServiceError): readonly string[] | undefined {
  const [bytes] = metadata?.get('grpc-status-details-bin') ?? []
  if (!Buffer.isBuffer(bytes)) return undefined
  try {
    const detail = errorStatus
      .decode(bytes)
      .details.find(({ typeUrl }) => /\/proto\.(?:Suspend|Resume)Response$/.test(typeUrl))
    return detail && instanceGroupMethods.Suspend.responseDeserialize(detail.value).succeeded
  } catch {
    return undefined
  }
}
