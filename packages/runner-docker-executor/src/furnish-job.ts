import type { Clock, Random } from '@runner-core/fleeting'
import { earlySetting, JobError, type JobPayload, type PrepareLog, type SettingSources } from '@runner-core/job'
import type { ContainerCreateOptions } from 'dockerode'
import { attemptLabels, cacheLabel } from './cleanup/labels.ts'
import { attemptName, jobContainerName, serviceContainerName, waitContainerName } from './containers/container-names.ts'
import { createContainer } from './containers/create-container.ts'
import { entrypointEnvironment, type WrittenVariable } from './containers/entrypoint-environment.ts'
import { type FoundShell, shellCommand } from './containers/find-shell.ts'
import { type ContainerContext, helperContainerParts, jobContainerParts } from './containers/host-config.ts'
import { keepMounted } from './containers/keep-mounted.ts'
import type { KnownShells } from './containers/known-shells.ts'
import type { Engine } from './engine/engine.ts'
import type { EngineLink } from './engine/engine-link.ts'
import { type JobImage, JobImages } from './images/job-images.ts'
import { effectivePullPolicies } from './images/pull-policy.ts'
import { type FindUserFile, RegistryAuth } from './images/registry-auth.ts'
import { type ContainerPlan, defaultHelperImage } from './job-plan.ts'
import { openNetwork } from './services/open-network.ts'
import { serviceEnvironment } from './services/service-environment.ts'
import type { PlannedService } from './services/service-plan.ts'
import { type StartedService, serviceHosts, startServices } from './services/start-services.ts'
import { waitForServices } from './services/wait-for-services.ts'
import { containerUser } from './settings/container-user.ts'
import type { DockerSettings } from './settings/docker-settings.ts'
import { makeVolumes, openDirectories } from './volumes/engine-volumes.ts'
import { type MountPlan, planMounts } from './volumes/mount-plan.ts'

export interface FurnishOptions {
  readonly link: EngineLink
  readonly job: JobPayload
  readonly plan: ContainerPlan
  readonly settings: DockerSettings
  readonly attempt: string
  readonly fleet: string
  readonly shortToken: string
  readonly systemId: string
  readonly concurrentId: number
  readonly buildsDir: string
  /** Absent: caches are kept in a bucket. */
  readonly cacheDir: string | undefined
  readonly environmentVariables: SettingSources['environmentVariables']
  /** Of this process. */
  readonly environment: NodeJS.ProcessEnv
  readonly findUserFile?: FindUserFile | undefined
  /** Bytes of its containers' output that the Engine keeps. */
  readonly logBytes: number
  readonly shells: KnownShells
  readonly log: PrepareLog
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/** A job's containers, of which nothing has been started but its services. */
export interface FurnishedJob {
  readonly image: string
  readonly shell: FoundShell
  /** How a container of the helper is made, but for its name and command. Undefined: there is nothing to do for it. */
  readonly helperContainer: ContainerCreateOptions | undefined
  /** Whether the job's own lines run as another user than root, which the helper is. */
  readonly runsAsUser: boolean
  readonly mounts: MountPlan
  readonly services: readonly StartedService[]
}

/** How long what a job made on an Engine may be of use at most, beyond its own time limit, milliseconds. */
const expiryMs = 24 * 3_600_000

/**
 * Makes ready on an Engine what a job needs: images, volumes, its container. Thrown: `JobError` where the job asks for
 * what cannot be; `EngineError`; the signal's reason. What was made by then has the labels of the attempt.
 */
export async function furnishJob(options: FurnishOptions): Promise<FurnishedJob> {
  const { link, job, plan, settings, attempt, log, signal, clock, random } = options
  const { expand, image: wanted } = plan
  const sources = { payload: job, environmentVariables: options.environmentVariables }
  const auth = await RegistryAuth.open({
    ofJob: earlySetting(sources, 'DOCKER_AUTH_CONFIG'),
    ofRunner: options.environmentVariables.find(({ key }) => key === 'DOCKER_AUTH_CONFIG')?.value,
    payload: job.credentials ?? [],
    environment: options.environment,
    findUserFile: options.findUserFile,
    clock,
  })
  const images = new JobImages({ link, auth, log, clock, random })
  const image = await images.get({
    image: wanted.image,
    policies: wanted.policies,
    platform: wanted.platform,
    signal,
  })
  // Pulls may have been over other connections.
  const engine = await link.engine(signal)
  const helperName = plan.helperImage ?? defaultHelperImage(engine.platform.architecture, settings.helperImageFlavor)
  const getHelper = (): Promise<JobImage> =>
    images.get({ image: helperName, policies: effectivePullPolicies(settings, [], helperName), signal })
  const helperImage = plan.needsHelper ? await getHelper() : undefined
  const labels = attemptLabels({
    fleet: options.fleet,
    attempt,
    job: job.id,
    project: job.job_info.project_id,
    expiresAt: clock.wallTime() + job.timeout_seconds * 1000 + expiryMs,
  })
  const user = containerUser(settings, wanted.user) ?? image.inspected.Config?.User ?? ''
  const runsAsUser = !/^(?:|0|root)(?::.*)?$/.test(user)
  const mounts = planMounts({
    settings,
    owner: {
      shortToken: options.shortToken,
      systemId: options.systemId,
      projectId: job.job_info.project_id,
      concurrentId: options.concurrentId,
    },
    attempt,
    buildsDir: options.buildsDir,
    cacheDir: options.cacheDir,
    keepsBuilds: plan.keepsBuilds,
    isProtected:
      earlySetting(sources, 'CI_COMMIT_REF_PROTECTED') === 'true' ||
      job.cache.some(({ key }) => key.endsWith('-protected') && !key.endsWith('-non_protected')),
    isOpen: runsAsUser,
    expand,
  })
  await makeVolumes(
    engine,
    { settings, volumes: mounts.volumes, labels, lastingLabels: { [cacheLabel]: options.fleet } },
    signal,
  )
  const demand = { settings, hasServices: plan.services.services.length > 0, asksForOwn: plan.asksForNetwork }
  const network = await openNetwork(engine, { ...demand, name: attemptName(attempt), labels }, signal)
  const context: ContainerContext = {
    settings,
    apiVersion: engine.apiVersion,
    labels,
    network,
    binds: mounts.binds,
    logBounds: { 'max-size': `${options.logBytes}`, 'max-file': '2' },
    expand,
    usesInit: plan.usesInit,
  }
  const services = await jobServices(engine, { ...options, context, images, getHelper })
  const hosts = serviceHosts(network, services)
  const hostname = `runner-${options.shortToken}-project-${job.job_info.project_id}-concurrent-${options.concurrentId}`
    .replaceAll(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 63)
  const parts = jobContainerParts(context, { request: wanted, hostname, serviceHosts: hosts, aliases: ['build'] })
  for (const warning of parts.warnings) log.warning(warning)
  const body = {
    ...parts.body,
    Image: image.id,
    Env: [...entrypointEnvironment(writtenVariables(options))],
    OpenStdin: true,
    StdinOnce: true,
    Tty: false,
    Cmd: [...shellCommand],
  }
  const during = `creating the container of ${wanted.image}`
  const container = jobContainerName(attempt)
  await createContainer(engine, during, { name: container, platform: image.platform, body }, signal)
  await keepMounted(engine, container, signal)
  const destinations = [...mounts.binds.map((bind) => bind.split(':')[1]!), ...Object.keys(settings.tmpfs)]
  const mounted = settings.volumesFrom.length > 0 ? undefined : destinations
  const question = { container, imageId: image.id, mounted }
  const shell = await options.shells.find(engine, question, signal)
  if (shell === undefined)
    throw new JobError(
      'shell_missing',
      'runner_system_failure',
      `the image ${wanted.image} has no shell: a job's script needs bash or sh in it`,
    )
  await openDirectories(engine, container, mounts, signal)
  const helper = helperContainerParts(context, { hostname, serviceHosts: hosts })
  return {
    image: wanted.image,
    shell,
    // Whatever an image that has git begins with, a shell is wanted.
    helperContainer: helperImage && { ...helper.body, Image: helperImage.id, Entrypoint: [''], User: '0' },
    runsAsUser,
    mounts,
    services,
  }
}

/** The variables of a job that are no files, as they are written. */
function writtenVariables({
  job,
  environmentVariables,
}: Pick<FurnishOptions, 'job' | 'environmentVariables'>): readonly WrittenVariable[] {
  const configured = environmentVariables.map((each) => ({ ...each, public: true, raw: false }))
  return [...configured, ...job.variables.filter(({ file }) => !file)]
}

interface ServicesOptions extends FurnishOptions {
  readonly context: ContainerContext
  readonly images: JobImages
  readonly getHelper: () => Promise<JobImage>
}

/** Starts what is to run beside the job, and waits for it. */
async function jobServices(engine: Engine, options: ServicesOptions): Promise<readonly StartedService[]> {
  const { plan, settings, attempt, context, images, getHelper, log, clock, signal } = options
  const { services, warnings } = plan.services
  for (const warning of warnings) log.warning(warning)
  const pulled = new Map<PlannedService, JobImage>()
  for (const service of services) {
    const policies = effectivePullPolicies(settings, service.pullPolicies, service.image)
    pulled.set(service, await images.get({ image: service.image, policies, platform: service.platform, signal }))
  }
  const jobVariables = writtenVariables(options)
  const started = await startServices(engine, {
    context,
    services,
    image: async (service) => pulled.get(service)!,
    environment: (service) => serviceEnvironment({ jobVariables, own: service.variables }),
    containerName: ({ index }) => serviceContainerName(attempt, index),
    report: log,
    signal,
  })
  await waitForServices(engine, {
    services: started,
    waitMs: settings.waitForServicesMs,
    network: context.network,
    helperImage: async () => (await getHelper()).id,
    labels: context.labels,
    containerName: ({ id }) => waitContainerName(attempt, id),
    report: log,
    clock,
    signal,
  })
  return started
}
