import {
  type Clock,
  type Connection,
  type DialTarget,
  describeError,
  type Logger,
  type Random,
} from '@runner-core/fleeting'
import type { Instance } from '@runner-core/fleeting/provisioner'
import { earlyText, JobError, type PrepareLog, type SettingSources } from '@runner-core/job'
import type { WarmUp, WarmUpOptions } from '@runner-core/taskscaler'
import { Engine } from '../engine/engine.ts'
import { imageContent } from './image-content.ts'
import { JobImages } from './job-images.ts'
import { RegistryAuth } from './registry-auth.ts'

export interface ImageWarmerOptions {
  /** By name, with variables of `environmentVariables`. */
  readonly images: readonly string[]
  /** Where the Engine listens, as seen from an instance. */
  readonly target: DialTarget
  /** `DOCKER_AUTH_CONFIG` among them is the runner's. */
  readonly environmentVariables: SettingSources['environmentVariables']
  /** Of this process: where credentials of registries are. */
  readonly environment: NodeJS.ProcessEnv
  /** @defaultValue that of a {@link WarmUp} */
  readonly limitMs?: number | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Pulls at once on one instance: more would only share its line, and keep a job's own pull waiting. */
const pullsAtOnce = 2
/** Names that a text for people has, of many images. */
const named = 5

/** Pulls images to instances that do not have them. An image that cannot be pulled is told, and is left out. */
export class ImageWarmer implements WarmUp {
  readonly title: string
  readonly limitMs: number | undefined
  readonly #options: ImageWarmerOptions
  /** By image, what was told of its last failure: instances that come after it fail alike. */
  readonly #told = new Map<string, string>()

  constructor(options: ImageWarmerOptions) {
    this.#options = options
    this.title = `pulling ${listed(options.images)}`
    this.limitMs = options.limitMs
  }

  async run({ id }: Instance, connection: Connection, { signal: given, has }: WarmUpOptions): Promise<string> {
    const { target, clock, environment, environmentVariables } = this.#options
    const failed = new AbortController()
    const signal = AbortSignal.any([given, failed.signal])
    const dial = (): ReturnType<Connection['dial']> => connection.dial(target)
    const engine = await Engine.open({ dial, clock, signal })
    try {
      const auth = await RegistryAuth.open({
        ofJob: undefined,
        ofRunner: environmentVariables.find(({ key }) => key === 'DOCKER_AUTH_CONFIG')?.value,
        payload: [],
        environment,
        clock,
      })
      const left = [...this.#options.images]
      const missing: string[] = []
      const work = async (): Promise<void> => {
        for (let image = left.shift(); image !== undefined; image = left.shift()) {
          const content = await this.#get(image, { id, engine, auth, signal })
          if (content === undefined) missing.push(image)
          else has(content)
        }
      }
      const stop = (error: unknown): never => {
        failed.abort(error)
        throw error
      }
      await Promise.all(Array.from({ length: pullsAtOnce }, () => work().catch(stop)))
      const there = this.#options.images.filter((image) => !missing.includes(image))
      return [
        ...(there.length > 0 ? [`has ${listed(there)}`] : []),
        ...(missing.length > 0 ? [`could not pull ${listed(missing)}`] : []),
      ].join(', ')
    } finally {
      engine.close()
    }
  }

  /** Undefined: it cannot be pulled. Rejects when the Engine does not work, and with the signal's reason. */
  async #get(
    image: string,
    {
      id: instance,
      engine,
      auth,
      signal,
    }: { readonly id: string; readonly engine: Engine; readonly auth: RegistryAuth; readonly signal: AbortSignal },
  ): Promise<string | undefined> {
    const { environmentVariables, clock, random, logger } = this.#options
    const images = new JobImages({
      link: { engine: async () => engine, again: async () => engine, isLost: () => false },
      auth,
      log: silent,
      clock,
      random,
    })
    try {
      const name = earlyText({ payload: { variables: [] }, environmentVariables }, image)
      await images.get({ image: name, policies: ['if-not-present'], signal })
      this.#told.delete(image)
      return imageContent(name)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof JobError)) throw error
      const message = describeError(error)
      const level = this.#told.get(image) === message ? 'debug' : 'warn'
      this.#told.set(image, message)
      logger[level](
        { instance, image, err: error, ...(auth.warnings.length > 0 && { warnings: auth.warnings }) },
        'image not pulled',
      )
      return undefined
    }
  }
}

const ignore = (): void => {}
const silent: PrepareLog = { line: ignore, warning: ignore, progress: ignore, addSecret: ignore }

function listed(images: readonly string[]): string {
  const shown = images.slice(0, named).join(', ')
  return images.length > named ? `${shown} and ${images.length - named} more` : shown
}
