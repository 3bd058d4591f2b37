// `npm run bench -- sources [ROUNDS]`: what getting a small repository costs a job above git's own time. All are whole
// jobs on one machine (a stock sshd on loopback), one after the other, from a coordinator (in this process) through a
// runner (`runner-core run`, a process of its own); the repository is served by git's own back end, to whoever has the
// token, from this process too. In each round, in another order: jobs whose sources the runner gets, jobs without
// sources whose script types the git commands that get the same, and jobs that do neither. Each is measured from its
// hand-out to the machine's time that its script prints, so what a job costs by itself is on both sides. Prints a table
// and one line `BENCH {json}`: medians of what the first ones took longer than the second ones of the same round.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Coordinator, type JobSpec } from '@runner-core/runner/testing'
import { hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { staticConfig } from '@runner-core/testkit/manager/runner-configs'
import { startRunner } from '@runner-core/testkit/manager/runner-process'
import { findSshd, startSshd } from '@runner-core/testkit/ssh/bench-sshd'
import { quantile } from './measure.ts'

const rounds = Number(process.argv[2] ?? 40)
const warmUps = 3
const files = 40
const depth = 20
const gitToken = 'glcbt-64_token-of-the-sources'
const bin = fileURLToPath(new URL('../bin/runner-core.js', import.meta.url))

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
})
interrupted.catch(() => {})

const sshd = findSshd()
if (sshd === undefined || !hasHttpBackend) {
  console.log(`${sshd === undefined ? 'sshd' : "git's http-backend"} is not installed: nothing is measured`)
  process.exit(0)
}
await using cleanUp = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'runner-core-bench-'))
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
chmodSync(folder, 0o755) // the bench user reads its authorized_keys there

const project = cleanUp.use(new TestRepository())
const parent = new TestRepository({ root: project.root, name: 'parent' })
const library = new TestRepository({ root: project.root, name: 'library' })
for (let file = 0; file < files; file++)
  project.commit(`file-${file}.txt`, `a line of file ${file}\n`.repeat(20 + file * 5))
library.commit('library.txt', 'of the library\n')
parent.commit('file.txt', 'of the project\n')
parent.link('library', '../library.git', library.commit('library.txt', 'newer\n'))
const git = await serveGit(project, gitToken)
cleanUp.defer(() => git.close())
const url = (name: string): string => `http://gitlab-ci-token:${gitToken}@${git.host}/${name}.git`

const server = cleanUp.use(await startSshd(sshd, folder))
const coordinator = cleanUp.use(await Coordinator.start({ tokens: [Coordinator.token], jobRequestsPerMinute: 1000 }))
const config = join(folder, 'config.toml')
writeFileSync(config, staticConfig(coordinator.url, Coordinator.token, server, { detach: true }))
const runner = cleanUp.use(startRunner(bin, ['run', '--config', config], join(folder, 'runner.log')))

/** One job of a round. `isFresh`: the runner makes it a new clone. */
interface Contender {
  readonly job: Omit<JobSpec, 'name'>
  readonly isFresh?: boolean
}

/** The jobs of a round. `sha`: the newest commit of the project. */
function contenders(round: number, sha: string, parentSha: string) {
  const fetched = { repoUrl: url('project'), ref: 'main', sha, depth }
  const chosen = (path: string) => ({ key: 'GIT_CLONE_PATH', value: `$CI_BUILDS_DIR/$CI_CONCURRENT_ID/${path}` })
  return {
    nothing: { job: { script: [] } },
    clone: { job: { script: [], git: fetched, variables: [chosen(`clone-${round}`)] }, isFresh: true },
    ownClone: {
      job: { script: [`git clone -q --depth ${depth} ${url('project')} clone-${round}; cd clone-${round}`] },
    },
    fetch: { job: { script: [], git: fetched, variables: [chosen('fetch')] }, isFresh: round === 0 },
    ownFetch: {
      job: {
        script: [
          ...(round === 0 ? [`git clone -q --depth ${depth} ${url('project')} fetch`] : []),
          `cd fetch; git fetch -q --prune --depth ${depth} origin +refs/heads/main:refs/remotes/origin/main; git checkout -q -f ${sha}; git clean -ffdx`,
        ],
      },
    },
    submodule: {
      job: {
        script: ['test -f library/library.txt'],
        git: { ...fetched, repoUrl: url('parent'), sha: parentSha },
        variables: [chosen(`submodule-${round}`), { key: 'GIT_SUBMODULE_STRATEGY', value: 'normal' }],
      },
      isFresh: true,
    },
    ownSubmodule: {
      job: {
        script: [
          `git clone -q --depth ${depth} --recurse-submodules ${url('parent')} submodule-${round}; cd submodule-${round}`,
          'test -f library/library.txt',
        ],
      },
    },
  } as const satisfies Record<string, Contender>
}
type Name = keyof ReturnType<typeof contenders>

const measured: Record<Name, number[]> = {
  nothing: [],
  clone: [],
  ownClone: [],
  fetch: [],
  ownFetch: [],
  submodule: [],
  ownSubmodule: [],
}
const names = Object.keys(measured) as Name[]
const parentSha = parent.commit('file.txt', 'newer\n')
for (let round = 0; round < warmUps + rounds; round++) {
  const jobs: Record<Name, Contender> = contenders(round, project.commit('changing.txt', `round ${round}\n`), parentSha)
  const first = round % names.length
  for (const name of [...names.slice(first), ...names.slice(0, first)]) {
    const ms = await untilItsScript(name, jobs[name])
    if (round >= warmUps) measured[name].push(ms)
  }
}
if (coordinator.violations.length > 0)
  throw new Error(`the job API was violated: ${JSON.stringify(coordinator.violations.slice(0, 5))}`)

const p50 = (name: Name): number => quantile(measured[name], 0.5)
/** The median over rounds, since both of a round met the same machine. */
const adds = (ours: Name, own: Name): number =>
  quantile(
    measured[ours].map((ms, round) => ms - measured[own][round]!),
    0.5,
  )
const rows = [
  { title: `clone, depth ${depth}`, ours: 'clone', own: 'ownClone' },
  { title: 'fetch of one commit into a clone that is there', ours: 'fetch', own: 'ownFetch' },
  { title: 'clone with one submodule', ours: 'submodule', own: 'ownSubmodule' },
] as const
console.log(
  `${files} small files; from the hand-out to the script, p50 of ${rounds} jobs of each kind; without any sources ${p50('nothing')} ms`,
)
console.table(
  Object.fromEntries(
    rows.map(({ title, ours, own }) => [
      title,
      { 'runner ms': p50(ours), 'git typed ms': p50(own), 'adds ms': adds(ours, own) },
    ]),
  ),
)
const result = {
  cloneAddsMs: adds('clone', 'ownClone'),
  fetchAddsMs: adds('fetch', 'ownFetch'),
  submoduleAddsMs: adds('submodule', 'ownSubmodule'),
  // Git's own time: without what a job costs by itself.
  gitCloneMs: adds('ownClone', 'nothing'),
  gitFetchMs: adds('ownFetch', 'nothing'),
  nothingMs: p50('nothing'),
}
console.log(`BENCH ${JSON.stringify(result)}`)

/** Runs a job; the milliseconds from its hand-out until it could begin with a script of its own. */
async function untilItsScript(name: Name, { job: spec, isFresh = false }: Contender): Promise<number> {
  const job = coordinator.enqueue({ ...spec, name, script: [...spec.script, 'echo "reached at ${EPOCHREALTIME}"'] })
  await Promise.race([job.finished, runner.ended, interrupted])
  const trace = job.trace.text()
  const reached = /^reached at (\d+)[.,](\d{6})/m.exec(trace)
  const { handedOutAt } = job.times
  const isAsMeant = trace.includes('Created fresh repository') === isFresh
  if (job.state !== 'success' || reached === null || handedOutAt === undefined || !isAsMeant)
    throw new Error(`job ${job.id} (${name}): ${job.state} ${job.failureReason ?? ''}\n${trace}`)
  return Number(`${reached[1]}${reached[2]}`) / 1000 - handedOutAt
}
