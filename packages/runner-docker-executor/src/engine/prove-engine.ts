import type { Clock, Connection, DialTarget } from '@runner-core/fleeting'
import { Engine } from './engine.ts'

/** Resolves when the Engine of an instance answers. Rejects as `Engine.open`. */
export async function proveEngine(
  connection: Connection,
  { target, clock, signal }: { readonly target: DialTarget; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const engine = await Engine.open({ dial: () => connection.dial(target), clock, signal })
  engine.close()
}
