import type { Clock, Random } from '@runner-core/fleeting'
import { backoffMs, delay, describeError } from '@runner-core/fleeting'
import { JobError, type PrepareLog } from '@runner-core/job'
import type { ImageInspectInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { EngineLink } from '../engine/engine-link.ts'
import type { PullPolicy } from '../settings/docker-settings.ts'
import { formatPlatform, type ImagePlatform, matchesPlatform, PlatformError, parsePlatform } from './image-platform.ts'
import { ImageNameError, type ImageReference, type NamedImage, parseImageReference } from './image-reference.ts'
import { PullFailure } from './pull-failure.ts'
import { pullImage } from './pull-image.ts'
import type { FoundCredentials, RegistryAuth } from './registry-auth.ts'

export interface JobImagesOptions {
  /** To the Engine of the slot. */
  readonly link: Pick<EngineLink, 'engine' | 'again' | 'isLost'>
  readonly auth: RegistryAuth
  readonly log: PrepareLog
  readonly clock: Clock
  readonly random: Random
  /** How long a pull may make no progress, milliseconds. @defaultValue 300,000 */
  readonly silenceLimitMs?: number
}

export interface ImageRequest {
  /** As the job or the configuration names it, expanded. */
  readonly image: string
  /** See `effectivePullPolicies`. At least one. */
  readonly policies: readonly PullPolicy[]
  /** `image:docker:platform`, expanded. Empty or undefined: that of the Engine. */
  readonly platform?: string | undefined
  readonly signal: AbortSignal
}

export interface JobImage {
  /** To create containers from. */
  readonly id: string
  /** For `POST /containers/create`. Undefined: none was asked for. */
  readonly platform: string | undefined
  /** With its user, entrypoint, exposed ports. */
  readonly inspected: ImageInspectInfo
}

/** Upstream's. */
const maxAttempts = 3
const pauses = { baseMs: 2000, maxMs: 10_000 }

/** A request, read. */
interface Wanted {
  readonly image: string
  readonly reference: ImageReference
  readonly platform: ImagePlatform | undefined
  /** Of the Engine. */
  readonly native: ImagePlatform
  readonly signal: AbortSignal
}

/**
 * The images of one job on one Engine, one after another. Tries each policy in turn. A pull that fails for a reason
 * that may pass, such as a lost connection, is tried three times, with 1 to 4 seconds between.
 */
export class JobImages {
  readonly #options: JobImagesOptions
  /** Ids by name and platform: what a job has used once is not pulled again for it. */
  readonly #used = new Map<string, string>()
  #hasWarned = false

  constructor(options: JobImagesOptions) {
    this.#options = options
  }

  /**
   * Gives the image, pulled if the policies ask for it. Thrown: `JobError` `invalid_job`, `image_unavailable`;
   * `EngineError` when the Engine cannot be reached, has no room, or does not work; what the link rejects with; the
   * signal's reason.
   */
  async get({ image, policies, platform, signal }: ImageRequest): Promise<JobImage> {
    const { auth, log } = this.#options
    // Also where nothing is pulled: a job has its own `DOCKER_AUTH_CONFIG` as a variable.
    for (const secret of auth.secrets) log.addSecret(secret)
    const wanted = await this.#read({ image, platform, signal })
    log.line(`Using effective pull policy of [${policies.join(' ')}] for container ${image}`)
    let last: PullFailure | EngineError | undefined
    for (const [index, policy] of policies.entries()) {
      if (index > 0) log.line(`Attempt #${index + 1}: Trying "${policy}" pull policy`)
      try {
        return this.#use(wanted, await this.#getBy(policy, wanted))
      } catch (error) {
        // Of several policies one may need neither registry nor room.
        const mayBeLeft = error instanceof PullFailure || (error instanceof EngineError && error.code === 'no_space')
        if (!mayBeLeft) throw error
        last = error
        log.warning(`Failed to pull image with policy "${policy}": ${last.message}`)
      }
    }
    if (last === undefined) throw new Error('there is no pull policy')
    if (last instanceof EngineError) throw last
    const message = `failed to pull image "${image}" with specified policies [${policies.join(' ')}]: ${last.message}`
    throw new JobError('image_unavailable', last.reason, message, { cause: last })
  }

  async #read({ image, platform, signal }: Omit<ImageRequest, 'policies'>): Promise<Wanted> {
    const native = await this.#reach(signal, async (engine) => ({ ...engine.platform, variant: undefined }))
    try {
      const reference = parseImageReference(image)
      return { image, reference, platform: platform ? parsePlatform(platform, native) : undefined, native, signal }
    } catch (error) {
      if (error instanceof ImageNameError || error instanceof PlatformError)
        throw new JobError('invalid_job', 'runner_configuration_error', error.message, { cause: error })
      throw error
    }
  }

  /** Does something that may be done again on another connection. */
  async #reach<Result>(signal: AbortSignal, act: (engine: Engine) => Promise<Result>): Promise<Result> {
    const { link } = this.#options
    try {
      return await act(await link.engine(signal))
    } catch (error) {
      if (!link.isLost(error)) throw error
      return await act(await link.again(signal))
    }
  }

  async #getBy(policy: PullPolicy, wanted: Wanted): Promise<ImageInspectInfo> {
    const { log } = this.#options
    const { image, reference, platform } = wanted
    const there = await this.#inspect(wanted)
    const isFit = there !== undefined && (platform === undefined || matchesPlatform(platformOf(there), platform))
    if (isFit && this.#used.get(keyOf(wanted)) === there.Id) return there
    if (policy === 'never' || reference.kind === 'id') {
      if (isFit) return there
      const why =
        there !== undefined
          ? `the image is for ${formatPlatform(platformOf(there))}, not for ${formatPlatform(platform!)}`
          : reference.kind === 'id'
            ? 'there is no image with this id, and none can be pulled by its id'
            : `no such image: ${reference.name}`
      throw new PullFailure(there === undefined ? 'absent' : 'platform', 'image_pull_failure', why)
    }
    if (isFit && policy === 'if-not-present') {
      log.line(`Using locally found image version due to "${policy}" pull policy`)
      return there
    }
    await this.#pull(wanted, reference)
    const pulled = await this.#inspect(wanted)
    if (pulled === undefined)
      throw new PullFailure(
        'other',
        'image_pull_failure',
        `the Engine says it has pulled ${image}, but does not have it`,
      )
    if (platform !== undefined && !matchesPlatform(platformOf(pulled), platform)) {
      const has = formatPlatform(platformOf(pulled))
      const why = `the image does not exist for this platform: it is for ${has}, not for ${formatPlatform(platform)}`
      throw new PullFailure('platform', 'image_pull_failure', why)
    }
    return pulled
  }

  /** Undefined: the Engine does not have it. */
  async #inspect({ image, reference, signal }: Wanted): Promise<ImageInspectInfo | undefined> {
    try {
      return await this.#reach(signal, (engine) =>
        engine.call(`looking for the image ${image}`, signal, (docker) => docker.getImage(reference.name).inspect()),
      )
    } catch (error) {
      if (error instanceof EngineError && error.code === 'not_found') return undefined
      throw error
    }
  }

  async #pull(wanted: Wanted, reference: NamedImage): Promise<void> {
    const { link, auth, log, clock, random, silenceLimitMs = 300_000 } = this.#options
    const { image, platform, signal } = wanted
    const found = await this.#credentials(reference, signal)
    if (found.source !== undefined) log.line(`Authenticating with credentials from ${found.source}`)
    const forPlatform = platform === undefined ? '' : ` for platform ${formatPlatform(platform)}`
    log.line(`Pulling docker image ${image}${forPlatform} ...`)
    for (let [attempt, isLost] = [1, false]; ; attempt++) {
      try {
        const engine = await (isLost ? link.again(signal) : link.engine(signal))
        return await pullImage({
          engine,
          image: reference,
          platform,
          found,
          secrets: auth.secrets,
          onProgress: (text) => log.progress(`Pulling ${image.slice(0, 100)}: ${text}`),
          clock,
          silenceLimitMs,
          signal,
        })
      } catch (error) {
        signal.throwIfAborted()
        isLost = link.isLost(error)
        const mayPass = isLost || (error instanceof PullFailure && error.isTransient)
        if (!mayPass || attempt === maxAttempts) throw error
        const pauseMs = backoffMs(pauses, attempt, random)
        const after = `${(pauseMs / 1000).toFixed(1)} s`
        log.warning(
          `Failed to pull image "${image}" (attempt #${attempt}), retrying in ${after}: ${describeError(error)}`,
        )
        await delay(clock, pauseMs, signal)
      }
    }
  }

  async #credentials(reference: NamedImage, signal: AbortSignal): Promise<FoundCredentials> {
    const { auth, log } = this.#options
    if (!this.#hasWarned) {
      this.#hasWarned = true
      for (const warning of auth.warnings) log.warning(warning)
    }
    const found = await auth.find(reference, signal)
    for (const secret of found.secrets) log.addSecret(secret)
    for (const warning of found.warnings) log.warning(warning)
    return found
  }

  #use(wanted: Wanted, inspected: ImageInspectInfo): JobImage {
    const { log } = this.#options
    const { image, reference, platform, native } = wanted
    const { Id: id } = inspected
    const key = keyOf(wanted)
    if (this.#used.get(key) !== id) {
      this.#used.set(key, id)
      const digest = digestOf(inspected, reference)
      if (reference.kind === 'name')
        log.line(`Using docker image ${id} for ${image}${digest === undefined ? '' : ` with digest ${digest}`} ...`)
      const has = platformOf(inspected)
      if (platform === undefined && !matchesPlatform(has, native))
        log.warning(`The image ${image} is for ${formatPlatform(has)}, the Engine is ${formatPlatform(native)}`)
    }
    return { id, platform: platform === undefined ? undefined : formatPlatform(platform), inspected }
  }
}

function keyOf({ reference, platform }: Wanted): string {
  return `${reference.name} ${platform === undefined ? '' : formatPlatform(platform)}`
}

function platformOf({ Os, Architecture, ...more }: ImageInspectInfo): ImagePlatform {
  const { Variant } = more as { readonly Variant?: unknown }
  return {
    os: Os,
    architecture: Architecture,
    variant: typeof Variant === 'string' && Variant !== '' ? Variant : undefined,
  }
}

/** An image may be in several repositories: the one that it was asked for from, if it has that. */
function digestOf({ RepoDigests }: ImageInspectInfo, { name }: ImageReference): string | undefined {
  const digests: readonly string[] = Array.isArray(RepoDigests) ? RepoDigests : []
  const repository = name.replace(/[:@][^/]*$/, '')
  return digests.find((digest) => digest.startsWith(`${repository}@`)) ?? digests[0]
}
