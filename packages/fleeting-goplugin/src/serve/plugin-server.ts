import * as grpc from '@grpc/grpc-js'
import { GroupError } from '@runner-core/fleeting'
import type { WireMessages } from '../wire/messages.ts'
import { brokerMethods, controllerMethods, healthMethods, instanceGroupMethods, stdioMethods } from '../wire/methods.ts'
import { partialRefusal, type Refusal, refusalOf } from '../wire/refusal.ts'
import type { Printed } from './printed.ts'
import type { ServedGroup } from './served-group.ts'

export interface PluginServerOptions {
  readonly group: ServedGroup
  readonly printed: Printed
  /** A list is on its way to the host. */
  readonly onListed: () => void
  /** The host wants this process to end. */
  readonly onEnd: () => void
}

type Instances = WireMessages['Instances']
type Succeeded = WireMessages['Succeeded']
type Empty = WireMessages['Empty']

/** The services of a plugin of go-plugin, none of them listening yet. */
export function pluginServer({ group, printed, onListed, onEnd }: PluginServerOptions): grpc.Server {
  // The protocol has no limit, and both ends of upstream lift gRPC's.
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
  const power = (method: 'Suspend' | 'Resume') =>
    unary(async ({ instances }: Instances, signal): Promise<Succeeded> => {
      const changing = group.changePower(method === 'Suspend' ? 'suspend' : 'resume', instances, signal)
      if (changing === undefined)
        throw new Refused({ code: grpc.status.UNIMPLEMENTED, text: 'capability not supported: suspend_resume' })
      const { accepted, errors = [] } = await changing
      const [first] = errors
      if (first !== undefined) throw new Refused(partialRefusal(method, first, accepted))
      return { succeeded: accepted }
    })

  server.addService(instanceGroupMethods as unknown as grpc.ServiceDefinition, {
    Init: unary((request: WireMessages['InitRequest'], signal) => group.init(request, signal)),
    Update: (call: grpc.ServerWritableStream<Empty, WireMessages['UpdateResponse']>) => {
      group.update(whileWanted(call)).then(
        (rows) => {
          for (const row of rows) call.write(row)
          call.end()
          onListed()
        },
        (error) => call.emit('error', statusObject(error)),
      )
    },
    Increase: unary(async ({ n }: WireMessages['IncreaseRequest'], signal) => ({
      succeeded: await group.increase(n, signal),
    })),
    Decrease: unary(async ({ instances }: Instances, signal) => ({
      succeeded: await group.decrease(instances, signal),
    })),
    ConnectInfo: unary(({ instance }: WireMessages['Instance'], signal) => group.connectInfo(instance, signal)),
    Heartbeat: unary(async ({ instance }: WireMessages['Instance'], signal): Promise<Empty> => {
      await group.heartbeat(instance, signal)
      return {}
    }),
    Suspend: power('Suspend'),
    Resume: power('Resume'),
    Shutdown: unary(async (): Promise<Empty> => {
      await group.shutdown()
      return {}
    }),
  })
  server.addService(controllerMethods as unknown as grpc.ServiceDefinition, {
    Shutdown: (_: unknown, callback: grpc.sendUnaryData<Empty>) => {
      callback(null, {})
      onEnd()
    },
  })
  server.addService(stdioMethods as unknown as grpc.ServiceDefinition, {
    StreamStdio: (call: grpc.ServerWritableStream<Empty, WireMessages['StdioData']>) => {
      const end = printed.listen((data) => void call.write(data))
      if (end === undefined)
        return void call.emit('error', {
          code: grpc.status.RESOURCE_EXHAUSTED,
          details: 'it is already being streamed',
        })
      call.once('cancelled', end)
    },
  })
  server.addService(brokerMethods as unknown as grpc.ServiceDefinition, {
    StartStream: (call: grpc.ServerDuplexStream<Empty, Empty>) => {
      call.on('data', () => {})
      call.once('end', () => call.end())
    },
  })
  server.addService(healthMethods as unknown as grpc.ServiceDefinition, {
    Check: unary(async ({ service }: WireMessages['HealthCheck']) => {
      if (service !== '' && service !== 'plugin')
        throw new Refused({ code: grpc.status.NOT_FOUND, text: 'unknown service' })
      return { status: 1 }
    }),
  })
  return server
}

/** A refusal that is worded already. */
class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.text)
    this.refusal = refusal
  }
}

function statusObject(error: unknown): Partial<grpc.StatusObject> {
  const { code, text, details } = error instanceof Refused ? error.refusal : refusalOf(error)
  if (details === undefined) return { code, details: text }
  const metadata = new grpc.Metadata()
  metadata.set('grpc-status-details-bin', details)
  return { code, details: text, metadata }
}

type Cancellable = NodeJS.EventEmitter & { readonly cancelled: boolean }

function whileWanted(call: Cancellable): AbortSignal {
  const controller = new AbortController()
  const onCancel = (): void => controller.abort(new GroupError('transient', 'the host canceled the call'))
  if (call.cancelled) onCancel()
  else call.once('cancelled', onCancel)
  return controller.signal
}

function unary<Request, Response>(answer: (request: Request, signal: AbortSignal) => Promise<Response>) {
  return (call: grpc.ServerUnaryCall<Request, Response>, callback: grpc.sendUnaryData<Response>): void => {
    answer(call.request, whileWanted(call)).then(
      (response) => callback(null, response),
      (error) => callback(statusObject(error)),
    )
  }
}
