import { type Clock, type Connection, ConnectionError, delay, isGroupError } from '@runner-core/fleeting'
import type { Instance, Provisioner } from '@runner-core/fleeting/provisioner'

/**
 * Proves that an instance can do jobs; rejects when it cannot. `signal` aborts when it takes too long, or when nobody
 * wants to know any more.
 */
export type ReadyCheck = (instance: Instance, connection: Connection, signal: AbortSignal) => Promise<void>

export interface ProofOptions {
  readonly provisioner: Pick<Provisioner, 'connect'>
  readonly readyCheck: ReadyCheck | undefined
  /** For all of it, milliseconds. */
  readonly readyTimeoutMs: number
  readonly clock: Clock
}

/** Wait before a group that could not say how to reach the instance is asked again. */
const retryMs = 2_000

/**
 * Resolves once the instance was connected to and passed the ready check. Rejects with what went wrong last, or with
 * the reason that `check` was aborted for, also when nobody heeds the signal: it is aborted when the time is up.
 */
export async function proveReady(instance: Instance, options: ProofOptions, check: AbortController): Promise<void> {
  const { readyTimeoutMs, clock } = options
  const late = (): void =>
    check.abort(new ConnectionError('unreachable', `not ready within ${readyTimeoutMs / 1000} s`))
  const cancelTimeout = clock.after(readyTimeoutMs, late)
  const aborted = new Promise<never>((_, reject) => {
    check.signal.addEventListener('abort', () => reject(check.signal.reason), { once: true })
  })
  try {
    await Promise.race([aborted, tryOnce(instance, options, check.signal)])
  } finally {
    cancelTimeout()
  }
}

async function tryOnce(
  instance: Instance,
  { provisioner, readyCheck, clock }: ProofOptions,
  signal: AbortSignal,
): Promise<void> {
  const connection = await connectWhenReady(instance.id, provisioner, clock, signal)
  await readyCheck?.(instance, connection, signal)
}

/**
 * The connector has its own retries; what is retried here is a group that does not know yet, or cannot be asked now.
 */
async function connectWhenReady(
  id: string,
  provisioner: Pick<Provisioner, 'connect'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Connection> {
  for (;;) {
    try {
      return await provisioner.connect(id, 0, signal)
    } catch (error) {
      if (!isGroupError(error) || error.code === 'not_found') throw error
      await delay(clock, Math.max(retryMs, error.retryAfterMs ?? 0), signal)
    }
  }
}
