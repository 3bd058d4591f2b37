import { JobError, type JobService, type JobVariable } from '@runner-core/job'
import { ImageNameError } from '../images/image-reference.ts'
import type { ConfiguredService, DockerSettings } from '../settings/docker-settings.ts'
import { isResolvable, serviceAliases, serviceImageName } from './service-names.ts'

export interface ServicePlanOptions {
  readonly settings: Pick<DockerSettings, 'services' | 'servicesLimit'>
  /** The job's own. */
  readonly requested: readonly JobService[]
  /** Replaces variables. */
  readonly expand: (text: string) => string
  /** Throws where a job may not use an image; the configuration's own, which it always may, are given too. */
  readonly checkAllowed: (image: string, ofConfiguration: readonly string[]) => void
}

/** A service that is to be started. */
export interface PlannedService {
  /** Among all that the job asks for, those of the configuration first. */
  readonly index: number
  readonly image: string
  /** For people: `postgres:16`. */
  readonly title: string
  /** Names in the network. None twice in a plan. */
  readonly aliases: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** Of this service alone, as written. */
  readonly variables: readonly JobVariable[]
  /** Empty: as configured. */
  readonly pullPolicies: readonly string[]
  readonly user: string
  readonly platform: string
}

export interface ServicePlan {
  readonly services: readonly PlannedService[]
  /** For the trace. */
  readonly warnings: readonly string[]
}

/**
 * Thrown: `JobError` `invalid_job` for a name that is none, `not_allowed` for more services than a job may have, and
 * what `checkAllowed` throws.
 */
export function planServices(options: ServicePlanOptions): ServicePlan {
  const { settings, requested, expand, checkAllowed } = options
  const configured = settings.services.map((service) => expanded(asRequested(service), expand))
  const ofConfiguration = configured.map(({ name }) => name)
  const own = requested.map((service) => expanded(service, expand))
  for (const { name } of own) checkAllowed(name, ofConfiguration)
  const all = [...configured, ...own]
  if (all.length > settings.servicesLimit)
    throw new JobError(
      'not_allowed',
      // Upstream's reason.
      'runner_system_failure',
      `too many services requested: ${all.length}, only ${settings.servicesLimit} allowed (services_limit of the runner)`,
    )
  const warnings: string[] = []
  const taken = new Set<string>()
  const services = all.flatMap((service, index) => {
    const image = parsedName(service.name)
    const title = `${image.service}${image.version.startsWith('@') ? '' : ':'}${image.version}`
    const warn = (alias: string, why: string): false => {
      warnings.push(
        `Skipping alias ${JSON.stringify(alias.slice(0, 300))} for service "${title}" (services[${index}]): ${why}`,
      )
      return false
    }
    const aliases = serviceAliases(image, service.alias).filter(
      (alias) =>
        (!taken.has(alias) || warn(alias, 'alias is already in use by another service')) &&
        (isResolvable(alias) || warn(alias, 'DNS has no such names')),
    )
    if (aliases.length === 0) {
      warnings.push(`Service "${title}" (services[${index}]) is not started: no name is left for it`)
      return []
    }
    for (const alias of aliases) taken.add(alias)
    const { name, entrypoint, command, variables, pull_policy: pullPolicies, user, platform } = service
    return [{ index, image: name, title, aliases, entrypoint, command, variables, pullPolicies, user, platform }]
  })
  return { services, warnings }
}

function asRequested({ name, alias = '', command, entrypoint, environment }: ConfiguredService): JobService {
  const variables = environment.map(({ key, value }) => ({
    key,
    value,
    public: true,
    file: false,
    masked: false,
    raw: false,
  }))
  return { name, alias, command, entrypoint, variables, pull_policy: [], user: '', platform: '' }
}

function expanded(service: JobService, expand: (text: string) => string): JobService {
  return {
    ...service,
    name: expand(service.name),
    alias: expand(service.alias),
    user: expand(service.user),
    platform: expand(service.platform),
  }
}

function parsedName(name: string): ReturnType<typeof serviceImageName> {
  try {
    return serviceImageName(name)
  } catch (error) {
    if (!(error instanceof ImageNameError)) throw error
    const message = `invalid service image name: ${error.message}`
    throw new JobError('invalid_job', 'runner_configuration_error', message, { cause: error })
  }
}
