import { type Clock, describeError } from '@runner-core/fleeting'
import type { Engine } from '../engine/engine.ts'
import { EngineError, noSpace } from '../engine/engine-error.ts'
import { jsonLines } from '../engine/json-lines.ts'
import { formatPlatform, type ImagePlatform } from './image-platform.ts'
import type { NamedImage } from './image-reference.ts'
import { ProgressLine } from './progress-line.ts'
import { PullFailure, pullFailure } from './pull-failure.ts'
import { type FoundCredentials, secretsIn } from './registry-auth.ts'
import { SilenceWatch } from './silence-watch.ts'

export interface PullImageOptions {
  readonly engine: Engine
  readonly image: NamedImage
  readonly platform: ImagePlatform | undefined
  readonly found: Pick<FoundCredentials, 'credentials' | 'source'>
  /** Also removed from the registry's words: secrets of other registries. */
  readonly secrets: readonly string[]
  /** How far it is, once a second at most. */
  readonly onProgress: (text: string) => void
  readonly clock: Clock
  /** Milliseconds. */
  readonly silenceLimitMs: number
  readonly signal: AbortSignal
}

const pingLimitMs = 10_000

/**
 * Pulls an image, one attempt. The signal ends the pull in the Engine, too. Thrown: {@link PullFailure}; `EngineError`
 * when the Engine cannot be reached, has no room, or does not work; the signal's reason.
 */
export async function pullImage(options: PullImageOptions): Promise<void> {
  const { engine, image, platform, found, clock, silenceLimitMs, signal } = options
  const { credentials, source } = found
  const { name, registry } = image
  const during = `pulling ${name}`
  const secrets = [...options.secrets, ...(credentials === undefined ? [] : secretsIn(credentials))]
  const failed = (words: string): Error => {
    const failure = pullFailure(words, { registry, source, secrets })
    return noSpace.test(words) ? new EngineError('no_space', `${during}: ${failure.message}`) : failure
  }
  const forPlatform = platform === undefined ? {} : { platform: formatPlatform(platform) }
  const query = new URLSearchParams({ fromImage: name, ...forPlatform })
  const headers: Record<string, string> =
    credentials === undefined
      ? {}
      : { 'x-registry-auth': base64url(JSON.stringify({ ...credentials, serveraddress: registry })) }
  using progress = new ProgressLine(clock, options.onProgress)
  using watch = new SilenceWatch(clock, silenceLimitMs, signal)
  try {
    const request = { method: 'POST', path: `/images/create?${query.toString()}`, headers } as const
    // Longer than the watch waits: the Engine answers only once the registry has.
    const stream = await engine.stream(during, watch.signal, request, silenceLimitMs * 2)
    for await (const message of jsonLines(stream)) {
      watch.restart()
      const words = errorIn(message)
      if (words !== undefined) throw failed(words)
      progress.take(message)
    }
  } catch (error) {
    if (watch.isOver) throw await whoIsSilent(during, options)
    signal.throwIfAborted()
    if (error instanceof PullFailure) throw error
    if (error instanceof EngineError) throw error.answer === undefined ? error : failed(error.answer)
    throw new EngineError('unreachable', `${during}: the Engine broke off: ${describeError(error)}`, { cause: error })
  }
}

/** Either the Engine works, and its registry does not, or the Engine does not. */
async function whoIsSilent(during: string, { engine, silenceLimitMs, signal }: PullImageOptions): Promise<Error> {
  const seconds = silenceLimitMs / 1000
  const asking = `${during}: nothing for ${seconds} s, asking the Engine whether it works`
  await engine.call(asking, signal, (docker) => docker.ping(), pingLimitMs)
  const message = `the registry sends nothing: no progress for ${seconds} s`
  return new PullFailure('silent', 'runner_external_dependency_failure', message)
}

/** Of a message that says that the pull has failed. */
function errorIn(message: unknown): string | undefined {
  const { error, errorDetail } = (message ?? {}) as { readonly error?: unknown; readonly errorDetail?: unknown }
  const { message: detail } = (errorDetail ?? {}) as { readonly message?: unknown }
  if (typeof detail === 'string' && detail !== '') return detail
  if (typeof error === 'string' && error !== '') return error
  return errorDetail === undefined || errorDetail === null ? undefined : 'the Engine does not say why'
}

/** With the padding, which older Engines insist on. */
function base64url(text: string): string {
  return Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
