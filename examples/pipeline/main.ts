// A pipeline of three jobs, each in the image that it names: build → test, with the build's artifacts and its cache →
// deploy, to a service that runs beside it, with an after_script. Their sources, with a submodule, come from a git
// server that lets only running jobs in. Docker and git are all that it needs.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { parseConfig, Runner } from '@runner-core/runner'
import { Coordinator, type CoordinatorJob, type JobSpec } from '@runner-core/runner/testing'
import { showJob } from 'example-runner/show-job'
import { hostAddress, image, makeImage, removeCaches } from './docker-side.ts'
import { GitServer } from './git-server.ts'
import { makeRepositories } from './repositories.ts'

/** What the service does: it tells what is deployed there, and takes something else. */
const serve = `mkdir -p /www/cgi-bin && cd /www && echo 'nothing is deployed' >version
printf '#!/bin/sh\ncat >/www/version; printf "Content-Type: text/plain\\n\\ndeployed\\n"\n' >cgi-bin/deploy
chmod +x cgi-bin/deploy && exec busybox httpd -f -p 80 -h /www`

await using cleanUp = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'runner-core-pipeline-'))
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
await makeImage()

// What stands for GitLab: its job API, and its repositories.
const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
const mayRead = (token: string): boolean =>
  coordinator.jobs.some((job) => job.state === 'running' && job.assignment?.jobToken === token)
const sha = makeRepositories(folder)
const server = cleanUp.use(await GitServer.start({ root: folder, host: await hostAddress(), accepts: mayRead }))

// Jobs run in containers of this machine's Engine, whose images are made here and never pulled.
const { settings } = parseConfig(`
concurrent = 1

[[runners]]
name = "pipeline"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "docker"

[runners.docker]
helper_image = "${image}"
pull_policy = "never"
`)
const runner = await Runner.start({ settings, findPlugin: loadPlugin })
cleanUp.defer(removeCaches)
cleanUp.defer(async () => void (await runner.stop('fast')))
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cleanUp.disposeAsync().then(() => process.exit(130)))

const git = { repoUrl: `${server.url}/project.git`, ref: 'main', sha, withToken: true }
const variables = [{ key: 'GIT_SUBMODULE_STRATEGY', value: 'recursive' }]
const cache = (policy: string): object => ({
  key: 'tools',
  paths: ['tools/'],
  policy,
  when: 'on_success',
  untracked: false,
})

/** Its own entrypoint starts sshd. */
const inImage = { image: { name: image, entrypoint: [''] } }
const production = {
  name: image,
  alias: 'production',
  entrypoint: [''],
  command: ['bash', '-c', serve],
  // Of all ports that its image exposes, what is served is on none.
  variables: [{ key: 'HEALTHCHECK_TCP_PORT', value: '80' }],
}

const build = await run({
  name: 'build',
  stage: 'build',
  git,
  variables,
  script: [
    'sh build.sh',
    'git ls-remote "$(git remote get-url origin | sed s,//,//gitlab-ci-token:guessed@,)" || echo "no sources for a guess"',
  ],
  artifacts: [{ paths: ['out/'] }],
  override: { ...inImage, cache: [cache('pull-push')] },
})
await run({
  name: 'test',
  stage: 'test',
  git,
  variables,
  script: ['sh test.sh'],
  dependencies: [build],
  artifacts: [{ type: 'junit', format: 'gzip', name: 'junit', paths: ['report.xml'], when: 'always' }],
  override: { ...inImage, cache: [cache('pull')] },
})
await run({
  name: 'deploy',
  stage: 'deploy',
  script: [
    'busybox wget -q -O- http://production/version',
    'busybox wget -q -O- --post-file out/words http://production/cgi-bin/deploy',
    'busybox wget -q -O- http://production/version',
  ],
  afterScript: ['echo "the deployment ended with $CI_JOB_STATUS"'],
  dependencies: [build],
  override: { ...inImage, services: [production] },
})
console.log('\nthe pipeline passed')

/** Hands a job out and shows its log until it has ended. Thrown: when it did not succeed, which ends the pipeline. */
async function run(spec: JobSpec): Promise<CoordinatorJob> {
  console.log(`\n--- ${spec.name} ---`)
  const job = coordinator.enqueue(spec)
  await showJob(job)
  if (job.state !== 'success') throw new Error(`${spec.name}: ${job.state}, ${job.failureReason}`)
  return job
}
