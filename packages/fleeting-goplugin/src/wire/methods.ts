import { type Codec, codec } from './codec.ts'
import type { WireMessages } from './messages.ts'

/** One gRPC method, in the form that both ends of @grpc/grpc-js take. */
export interface WireMethod<Request, Response> {
  readonly path: string
  readonly requestStream: false
  readonly responseStream: boolean
  readonly requestSerialize: Codec<Request>['encode']
  readonly requestDeserialize: Codec<Request>['decode']
  readonly responseSerialize: Codec<Response>['encode']
  readonly responseDeserialize: Codec<Response>['decode']
}

type Empty = WireMessages['Empty']
type Method<Request extends keyof WireMessages, Response extends keyof WireMessages> = WireMethod<
  WireMessages[Request],
  WireMessages[Response]
>

/** `/proto.InstanceGroup/*`. */
export interface InstanceGroupMethods {
  readonly Init: Method<'InitRequest', 'InitResponse'>
  /** The one that streams: each message is a row, the end of the stream the end of the list. */
  readonly Update: Method<'Empty', 'UpdateResponse'>
  readonly Increase: Method<'IncreaseRequest', 'IncreaseResponse'>
  readonly Decrease: Method<'Instances', 'Succeeded'>
  readonly ConnectInfo: Method<'Instance', 'ConnectInfoResponse'>
  readonly Heartbeat: Method<'Instance', 'Empty'>
  readonly Suspend: Method<'Instances', 'Succeeded'>
  readonly Resume: Method<'Instances', 'Succeeded'>
  readonly Shutdown: Method<'Empty', 'Empty'>
}

export const instanceGroupMethods: InstanceGroupMethods = {
  Init: method('/proto.InstanceGroup/Init', 'InitRequest', 'InitResponse'),
  Update: method('/proto.InstanceGroup/Update', 'Empty', 'UpdateResponse', true),
  Increase: method('/proto.InstanceGroup/Increase', 'IncreaseRequest', 'IncreaseResponse'),
  Decrease: method('/proto.InstanceGroup/Decrease', 'Instances', 'Succeeded'),
  ConnectInfo: method('/proto.InstanceGroup/ConnectInfo', 'Instance', 'ConnectInfoResponse'),
  Heartbeat: method('/proto.InstanceGroup/Heartbeat', 'Instance', 'Empty'),
  Suspend: method('/proto.InstanceGroup/Suspend', 'Instances', 'Succeeded'),
  Resume: method('/proto.InstanceGroup/Resume', 'Instances', 'Succeeded'),
  Shutdown: method('/proto.InstanceGroup/Shutdown', 'Empty', 'Empty'),
}

/** `/plugin.GRPCController/*`: the plugin's process ends. */
export const controllerMethods: { readonly Shutdown: WireMethod<Empty, Empty> } = {
  Shutdown: method('/plugin.GRPCController/Shutdown', 'Empty', 'Empty'),
}

/** `/plugin.GRPCStdio/*`: what a Go plugin prints, once it has started. May be called once. */
export const stdioMethods: { readonly StreamStdio: Method<'Empty', 'StdioData'> } = {
  StreamStdio: method('/plugin.GRPCStdio/StreamStdio', 'Empty', 'StdioData', true),
}

/** `/grpc.health.v1.Health/*`: go-plugin's ping. */
export const healthMethods: { readonly Check: Method<'HealthCheck', 'HealthStatus'> } = {
  Check: method('/grpc.health.v1.Health/Check', 'HealthCheck', 'HealthStatus'),
}

/**
 * `/plugin.GRPCBroker/*`: by it go-plugin's ends open further connections. This protocol has none; hosts open the
 * stream all the same.
 */
export const brokerMethods: {
  readonly StartStream: Omit<Method<'Empty', 'Empty'>, 'requestStream'> & { readonly requestStream: true }
} = {
  StartStream: { ...method('/plugin.GRPCBroker/StartStream', 'Empty', 'Empty', true), requestStream: true },
}

function method<Request extends keyof WireMessages, Response extends keyof WireMessages>(
  path: string,
  request: Request,
  response: Response,
  responseStream = false,
): Method<Request, Response> {
  const [asked, answered] = [codec(request), codec(response)]
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: asked.encode,
    requestDeserialize: asked.decode,
    responseSerialize: answered.encode,
    responseDeserialize: answered.decode,
  }
}
