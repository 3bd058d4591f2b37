import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'

/** Of Podman's own API. */
const libpodVersion = '4.0.0'

/**
 * Has Podman mount a container until it is removed. Otherwise it mounts it for each look at its files, and while many
 * containers are looked at, a mount that comes too soon after the last one fails for good. Nothing is to be done with
 * Docker, and with a Podman that does not do it. Rejects with `EngineError` when the Engine does not answer, and with
 * the signal's reason.
 */
export async function keepMounted(engine: Engine, container: string, signal: AbortSignal): Promise<void> {
  if (!engine.isPodman) return
  const path = `/libpod/containers/${container}/mount`
  try {
    const answer = await engine.stream(`mounting container ${container}`, signal, {
      method: 'POST',
      version: libpodVersion,
      path,
    })
    answer.resume()
  } catch (error) {
    if (!(error instanceof EngineError) || error.status === undefined) throw error
  }
}
