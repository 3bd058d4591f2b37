import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { hasEngine } from '../../containers/busybox-image.ts'
import { engineGateway } from '../../containers/engine-gateway.ts'
import { startHttpFront } from '../../http/http-front.ts'
import { hasGit, hasHttpBackend, serveGit, TestRepository } from '../../jobs/git-server.ts'
import { bin } from '../../manager/bin.ts'
import { type DockerConfigOptions, dockerConfig, stockDockerConfig } from '../../manager/docker-configs.ts'
import { startRunner } from '../../manager/runner-process.ts'
import { rejectsWhenAborted } from '../aborted.ts'
import { CoordinatorServer, endLines } from '../coordinator-server.ts'
import type { Replacement } from '../normal-trace.ts'
import type { JobResult } from '../payload.ts'
import { chosenPayloads, payloadFolder } from '../payload-world.ts'
import { comparedImages, makeComparedImages } from './compared-images.ts'
import { type ContainerPayload, type ContainerSources, containerPayloads } from './container-payloads.ts'
import { removeLeftovers } from './leftovers.ts'

/** Of each job. The longest is stopped after twenty seconds. */
const deadlineMs = 120_000

/** Why jobs cannot run in containers here; undefined when they can. */
export function containersMissing(): string | undefined {
  if (!hasEngine) return 'no Docker Engine answers, or there is no busybox to make images of'
  return hasGit && hasHttpBackend ? undefined : 'git is not installed, or has no http-backend'
}

/** Names of the payloads in containers, in their order. */
export const containerPayloadNames: readonly string[] = containerPayloads(
  { url: '', sha: '', token: '' },
  comparedImages('1'),
).map(({ name }) => name)

/** A stock gitlab-runner with the `docker` executor. */
export interface StockWithDocker {
  /** Its executable. */
  readonly bin: string
  /** Upstream's helper, on the Engine. */
  readonly helperImage: string
}

export interface RunContainerPayloadsOptions {
  /** Default: this project's runner. */
  readonly stock?: StockWithDocker | undefined
  /** Names of payloads; those that they need are added. Default: all. */
  readonly only?: readonly string[] | undefined
  /** Called with a line for each job that ended, and for what else is to be told. */
  readonly progress?: ((line: string) => void) | undefined
  /** Ends the run early, and what it started with it. */
  readonly signal?: AbortSignal | undefined
}

/** What came of payloads in containers, and what stands in it that is only so in this run. */
export interface ContainerRun {
  readonly payloads: readonly ContainerPayload[]
  readonly results: readonly JobResult[]
  readonly replacements: readonly Replacement[]
}

/** Has a runner do the payloads in containers of this machine's Engine, one after another. */
export async function runContainerPayloads({
  stock,
  only,
  progress,
  signal,
}: RunContainerPayloadsOptions): Promise<ContainerRun> {
  await using cleanUp = new AsyncDisposableStack()
  const stopped = rejectsWhenAborted(signal)
  const folder = payloadFolder(cleanUp)
  const sources = await serveSources(cleanUp)

  const [shortToken, rest] = [randomBytes(4).toString('hex'), randomBytes(6).toString('hex')]
  const [pulls, pullsNothing] = ['a', 'b'].map((end) => `${stock ? '' : 'glrt-'}${shortToken}${rest}${end}`) as [
    string,
    string,
  ]
  const helperImage = await makeComparedImages(shortToken, cleanUp, stock?.helperImage)
  const images = comparedImages(shortToken)
  const payloads = containerPayloads(sources.asSeen, images)
  const chosen = only === undefined ? payloads : chosenPayloads(payloads, only)
  const server = cleanUp.use(
    await CoordinatorServer.start(
      chosen.map((payload) => ({
        ...payload,
        job: { ...payload.job, runnerToken: payload.pullsNothing ? pullsNothing : pulls },
      })),
      { tokens: [pulls, pullsNothing], deadlineMs, onEnd: endLines(progress) },
    ),
  )
  sources.serveApi(server.url)

  const name = `compared-${shortToken}`
  cleanUp.defer(() => removeLeftovers({ name, shortToken }))
  progress?.(`${chosen.length} jobs for the runner ${name}`)
  const allowed = JSON.stringify(Object.values(images).filter((image) => image !== images.forbidden))
  const options: DockerConfigOptions = {
    url: sources.origin,
    token: pulls,
    image: images.busybox,
    helperImage,
    concurrent: 1,
    name,
    settings: `allowed_images = ${allowed}
allowed_services = ${allowed}
wait_for_services_timeout = 3
volumes = ["/cache"]
`,
  }
  const second = { ...options, name: `${name}-never`, token: pullsNothing, pullPolicy: 'never' } as const
  const config = join(folder, 'config.toml')
  writeFileSync(config, stock === undefined ? dockerConfig(options, second) : stockDockerConfig(options, second), {
    mode: 0o600,
  })
  const runner = cleanUp.use(startRunner(stock?.bin ?? bin, ['run', '--config', config], join(folder, 'log')))
  const results = await Promise.race([server.results(), runner.ended, stopped])
  const { sha } = sources.asSeen
  return {
    payloads: chosen,
    results,
    replacements: [
      [folder, 'FOLDER'],
      [sha, 'COMMIT'],
      [sha.slice(0, 8), 'COMMIT'],
      [sources.origin.slice('http://'.length), 'ADDRESS'],
      [shortToken, 'TOKEN'],
      [hostname(), 'HOST'],
    ],
  }
}

/** A repository, and one port for it and the job API, where containers reach both, until `cleanUp` ends. */
async function serveSources(cleanUp: AsyncDisposableStack): Promise<{
  readonly origin: string
  readonly asSeen: ContainerSources
  serveApi(url: string): void
}> {
  const repository = cleanUp.use(new TestRepository({ name: 'group/project' }))
  const sha = repository.commit('file', 'of the repository\n')
  const token = 'glcbt-64_token-of-the-sources'
  const git = await serveGit(repository, token)
  cleanUp.defer(() => git.close())
  let api = `http://${git.host}`
  const front = cleanUp.use(
    await startHttpFront(engineGateway(), (path) => (path.startsWith('/api/') ? api : `http://${git.host}`)),
  )
  const url = `${front.origin.replace('//', `//gitlab-ci-token:${token}@`)}/group/project.git`
  return {
    origin: front.origin,
    asSeen: { url, sha, token },
    serveApi(origin) {
      api = origin
    },
  }
}
