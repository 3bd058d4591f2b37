import {
  earlySetting,
  earlyText,
  JobError,
  type JobImage,
  type JobPayload,
  type SettingSources,
} from '@runner-core/job'
import type { ContainerRequest } from './containers/host-config.ts'
import { checkImageAllowed } from './images/allowed-images.ts'
import { imageContent } from './images/image-content.ts'
import { effectivePullPolicies } from './images/pull-policy.ts'
import { planServices, type ServicePlan } from './services/service-plan.ts'
import type { DockerSettings, PullPolicy } from './settings/docker-settings.ts'

/** An image that is needed, with its variables replaced, and how it is got. */
interface WantedImage extends ContainerRequest {
  readonly policies: readonly PullPolicy[]
}

/** What a job asks for in containers, decided before there is an Engine. */
export interface ContainerPlan {
  readonly image: WantedImage
  readonly services: ServicePlan
  /** `CI_DEBUG_SERVICES`: what services print is copied to the trace. */
  readonly debugsServices: boolean
  /** `FF_NETWORK_PER_BUILD` */
  readonly asksForNetwork: boolean
  /** Where the job's files are brought and kept; undefined: the image that belongs to the Engine's platform. */
  readonly helperImage: string | undefined
  /** Whether there is something to do for a helper. */
  readonly needsHelper: boolean
  /** Whether the next job of the project goes on with this one's work tree. */
  readonly keepsBuilds: boolean
  /** `FF_USE_INIT_WITH_DOCKER_EXECUTOR` */
  readonly usesInit: boolean
  readonly expand: (text: string) => string
}

/** Thrown: `JobError` where it names no image, or one that it may not use. */
export function planContainers(
  job: JobPayload,
  settings: DockerSettings,
  environmentVariables: SettingSources['environmentVariables'],
): ContainerPlan {
  const sources = { payload: job, environmentVariables }
  const expand = (text: string): string => earlyText(sources, text)
  const setting = (key: string): string => earlySetting(sources, key)
  const strategy = setting('GIT_STRATEGY')
  const hasSources = strategy !== 'none' && strategy !== 'empty'
  const hasFiles = [job.cache, job.artifacts, job.dependencies].some((list) => list.length > 0)
  const isOn = (key: string): boolean => ['true', '1'].includes(setting(key))
  return {
    image: wantedImage(job.image, settings, expand),
    services: planServices({
      settings,
      requested: job.services ?? [],
      expand,
      checkAllowed: (image, ofConfiguration) =>
        checkImageAllowed({ list: 'allowed_services', patterns: settings.allowedServices, image, ofConfiguration }),
    }),
    debugsServices: isOn('CI_DEBUG_SERVICES'),
    asksForNetwork: isOn('FF_NETWORK_PER_BUILD'),
    helperImage: settings.helperImage === undefined ? undefined : expand(settings.helperImage),
    needsHelper: hasSources || hasFiles,
    keepsBuilds: strategy === 'fetch' || (job.allow_git_fetch && strategy !== 'clone' && strategy !== 'empty'),
    usesInit: isOn('FF_USE_INIT_WITH_DOCKER_EXECUTOR'),
    expand,
  }
}

/** The name of the image that a job asks for, or gets since it asks for none; empty: there is none. */
function nameOfImage(
  asked: JobImage | undefined,
  settings: Pick<DockerSettings, 'image'>,
  expand: (text: string) => string,
): { readonly image: string; readonly byDefault: string } {
  const byDefault = settings.image === undefined ? '' : expand(settings.image)
  return { image: expand(asked?.name ?? '') || byDefault, byDefault }
}

/** As what an instance has that has the job's image; undefined: it names none. Known before there is an instance. */
export function contentOfJob(
  job: JobPayload,
  settings: Pick<DockerSettings, 'image'>,
  environmentVariables: SettingSources['environmentVariables'],
): string | undefined {
  const expand = (text: string): string => earlyText({ payload: job, environmentVariables }, text)
  try {
    return imageContent(nameOfImage(job.image, settings, expand).image)
  } catch (error) {
    // The job fails of it once it has a place.
    if (error instanceof JobError) return undefined
    throw error
  }
}

function wantedImage(
  asked: JobImage | undefined,
  settings: DockerSettings,
  expand: (text: string) => string,
): WantedImage {
  const { image, byDefault } = nameOfImage(asked, settings, expand)
  if (image === '')
    throw new JobError(
      'invalid_job',
      'runner_configuration_error',
      'the job names no image, and neither does the runner ([runners.docker] image)',
    )
  checkImageAllowed({
    list: 'allowed_images',
    patterns: settings.allowedImages,
    image,
    ofConfiguration: byDefault === '' ? [] : [byDefault],
  })
  return {
    image,
    policies: effectivePullPolicies(settings, asked?.pull_policy ?? [], image),
    user: expand(asked?.user ?? ''),
    platform: expand(asked?.platform ?? ''),
    entrypoint: asked?.entrypoint ?? [],
  }
}

/** What GitLab publishes for its own runner: git, git-lfs and the tools of busybox. */
export function defaultHelperImage(architecture: string, flavor = 'alpine'): string {
  const name = { amd64: 'x86_64', '386': 'x86_64' }[architecture] ?? architecture
  const prefix = flavor === 'alpine' ? '' : `${flavor}-`
  return `registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:${prefix}${name}-${helperVersion}`
}

/** Pinned, so that a job is the same tomorrow. */
const helperVersion = 'v18.6.0'
