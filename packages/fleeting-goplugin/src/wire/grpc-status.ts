import type { IncomingHttpHeaders } from 'node:http2'

/** How a call ended, by its trailers. 0 is well. */
export interface GrpcStatus {
  readonly code: number
  readonly text: string
}

/** Undefined: the other end is none that speaks gRPC, or has not come to the end. */
export function grpcStatusOf(trailers: IncomingHttpHeaders): GrpcStatus | undefined {
  const { 'grpc-status': code, 'grpc-message': text } = trailers
  if (typeof code !== 'string' || !/^\d+$/.test(code)) return undefined
  return { code: Number(code), text: typeof text === 'string' ? unescaped(text) : '' }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
