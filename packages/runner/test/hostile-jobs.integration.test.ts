// Jobs that are made to take the manager down, on a real manager; another project's job beside each of them, and a
// manager after all of them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { damagedArchive } from '@runner-core/testkit/archives/damaged-archive'
import { maliciousArchives } from '@runner-core/testkit/archives/malicious-archives'
import type { BinRun } from '@runner-core/testkit/manager/bin'
import { fleetConfig, hostMachines, kill, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const whyNoSshd = sshdMissing()
if (whyNoSshd !== undefined) console.warn(`SKIPPED: hostile jobs over SSH: ${whyNoSshd}`)

type Spec = Parameters<Coordinator['enqueue']>[0]

const manyFiles =
  'mkdir -p d; for n in 0 1 2 3 4 5 6 7 8 9; do for m in 0 1 2 3 4 5 6 7 8 9; do : >d/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$n$m; done; done'
const alternatives = (count: number, make: (n: number) => string): string =>
  `{${Array.from({ length: count }, (_, n) => make(n)).join(',')}}`
const cacheOf = (paths: readonly string[]): NonNullable<Spec['override']> => ({
  cache: [{ key: 'k', untracked: false, policy: 'push', paths, when: 'always' }],
})

/** What was found by trying. */
const known: Readonly<Record<string, Spec>> = {
  'variables multiply': {
    script: ['true'],
    variables: [
      ...Array.from({ length: 320 }, (_, n) => ({ key: `V${n}`, value: '$A'.repeat(80) })),
      { key: 'A', value: 'x'.repeat(200_000) },
    ],
  },
  'a setting multiplies': {
    script: ['true'],
    variables: [
      { key: 'CI_DEBUG_TRACE', value: '$A'.repeat(50_000) },
      { key: 'A', value: 'x'.repeat(200_000) },
    ],
  },
  'masked variables multiply': {
    script: ['true'],
    variables: [
      ...Array.from({ length: 300 }, (_, n) => ({ key: `V${n}`, value: `${n}$A`, masked: true })),
      { key: 'A', value: 'x'.repeat(100_000) },
    ],
  },
  'variables are as many as a job may have': {
    script: ['true'],
    variables: Array.from({ length: 19_900 }, (_, n) => ({ key: `V${n}`, value: 'v' })),
  },
  'variables are more': {
    script: ['true'],
    variables: Array.from({ length: 20_001 }, (_, n) => ({ key: `V${n}`, value: 'v' })),
  },
  'alternatives multiply a long text': {
    script: ['true'],
    artifacts: [{ paths: [`${alternatives(999, () => '*')}${'a'.repeat(60_000)}`] }],
  },
  'alternatives are compared with many names': {
    script: [manyFiles],
    artifacts: [{ paths: Array.from({ length: 4 }, () => alternatives(999, (n) => `d/*a*a*a*a*a${n}x`)) }],
  },
  'exclusions are compared with many names': {
    script: [manyFiles],
    artifacts: [
      { paths: ['d'], exclude: Array.from({ length: 4 }, () => alternatives(999, (n) => `d/*a*a*a*a*a${n}x`)) },
    ],
  },
  'a cache is compared with many names': {
    script: [manyFiles],
    override: cacheOf(Array.from({ length: 4 }, () => alternatives(999, (n) => `d/*a*a*a*a*a${n}x`))),
  },
  'braces stand in each other': { script: ['true'], artifacts: [{ paths: ['{'.repeat(30_000)] }] },
  'a path has no bound': { script: ['true'], artifacts: [{ paths: ['x'.repeat(500_000)] }] },
  'artifacts are many': {
    script: ['true'],
    override: { artifacts: Array.from({ length: 5_000 }, () => ({ paths: ['a'] })) },
  },
  'steps are many': {
    script: ['true'],
    override: { steps: Array.from({ length: 500 }, () => ({ name: 'script', script: ['true'] })) },
  },
  'output is long and has no lines': { script: ["head -c 100000000 /dev/zero | tr '\\0' x"] },
  'markers do not end': { script: ["printf '\\036'; head -c 20000000 /dev/zero | tr '\\0' '\\036'"] },
}

/** What jobs and the login's start-up file have in common. */
const evil = '/tmp/rc-hostile-jobs'

/** As an image might have it: what jobs write into start-up files is put back at the end of their scripts. */
const bashrc = `[ -f ${evil}/noise ] && { head -c 100000000 /dev/zero | tr "\\0" x; } >&2
PATH=${evil}/bin:$PATH
`

/** Only where a login reads a start-up file. */
const overSsh: Readonly<Record<string, Spec>> = {
  'the login prints without end': {
    script: [`mkdir -p ${evil}; : >${evil}/noise`],
    afterScript: [`rm ${evil}/noise`],
  },
  'find prints without end': {
    script: [
      `mkdir -p ${evil}/bin`,
      `printf '#!/bin/sh\\nhead -c 300000000 /dev/zero | tr "\\\\0" x\\n' >${evil}/bin/find; chmod +x ${evil}/bin/find`,
    ],
    artifacts: [{ paths: ['**'] }],
  },
}

/** What the logs of some of them say. */
const said: Readonly<Record<string, string>> = {
  'variables multiply': 'variables, expanded, up to V0: more than',
  'variables are more': 'variables: more than 20000 items',
  'masked variables multiply': 'masked variables, expanded, up to',
  'alternatives multiply a long text': 'patterns of paths: more than',
  'a path has no bound': 'artifacts[0].paths[0]: more than',
  'steps are many': 'steps: more than',
  'the login prints without end': 'the rest is dropped',
  // Our own steps find their tools by a PATH of their own.
  'find prints without end': 'found',
}

/** On each kind of machine. */
const variations = 100

const nasty = fc.stringMatching(/^[$A{}*?,\\/[\]a.]{0,40}$/)
const repeated = fc.tuple(nasty, fc.integer({ min: 1, max: 800 })).map(([text, times]) => text.repeat(times))
const fuzzed: fc.Arbitrary<Spec> = fc.record({
  script: fc.array(
    fc.constantFrom(
      manyFiles,
      'printf "\\036\\033[2K\\r"',
      'printf "section_start:1:x\\r"',
      'head -c 300000 /dev/urandom',
      'exit 3',
      'kill -9 $$',
    ),
    { minLength: 1, maxLength: 4 },
  ),
  variables: fc.array(
    fc.record({
      key: fc.constantFrom('A', 'B', 'C', 'GIT_CLONE_PATH', 'CACHE_FALLBACK_KEY', 'x y'),
      value: repeated,
      masked: fc.boolean(),
    }),
    { maxLength: 12 },
  ),
  artifacts: fc.array(
    fc.record({
      name: nasty,
      paths: fc.array(repeated, { maxLength: 8 }),
      exclude: fc.array(repeated, { maxLength: 8 }),
    }),
    {
      maxLength: 3,
    },
  ),
  override: fc.array(repeated, { maxLength: 4 }).map(cacheOf),
})

/** Resident memory of a process, MB. */
function memoryOf({ process: { pid } }: BinRun): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Looks at a manager, and asks it for its health, again and again. */
class Watch {
  longestMs = 0
  maxMemory = 0
  #isOver = false
  readonly #looking: Promise<void>

  constructor(manager: BinRun, url: string) {
    this.#looking = this.#look(manager, url)
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#looking
  }

  async #look(manager: BinRun, url: string): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now()
      const { status } = await fetch(url)
      expect(status).toBe(200)
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt)
      this.maxMemory = Math.max(this.maxMemory, memoryOf(manager))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

async function portOf(manager: BinRun): Promise<number> {
  for (;;) {
    const port = /"port":(\d+)/.exec(manager.stdout + manager.stderr)?.[1]
    if (port !== undefined) return Number(port)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A login of its own: jobs leave things in its home. */
async function startLogin(cleanUp: AsyncDisposableStack): Promise<Sshd> {
  const sshd = await startSshd({ user: 'rc-hostile-jobs', config: ['SetEnv SHLVL=0'] })
  cleanUp.defer(() => sshd.stop())
  const [, home = ''] = new RegExp(`^${sshd.username}:(?:[^:]*:){4}([^:]*)`, 'm').exec(
    readFileSync('/etc/passwd', 'utf8'),
  )!
  writeFileSync(join(home, '.bashrc'), bashrc)
  cleanUp.defer(() => rmSync(evil, { recursive: true, force: true }))
  return sshd
}

const ends = (jobs: readonly CoordinatorJob[]): Promise<readonly CoordinatorJob[]> =>
  Promise.all(jobs.map(({ finished }) => finished))

describe.each([
  { where: 'plugin local', isSsh: false, specs: known },
  { where: 'a login that jobs share over SSH', isSsh: true, specs: overSsh },
])('on $where', ({ isSsh, specs }) => {
  test.skipIf(isSsh && whyNoSshd !== undefined)(
    'hostile jobs take neither the manager down, nor the job beside them, nor the manager after it',
    { timeout: 300_000 },
    async () => {
      await using cleanUp = new AsyncDisposableStack()
      const managers = cleanUp.use(new Managers('hostile'))
      const coordinator = cleanUp.use(
        await Coordinator.start({ traceUpdateIntervalSeconds: 1, jobRequestsPerMinute: 10_000, ackWindowMs: 5_000 }),
      )
      const machines = isSsh ? hostMachines(managers.folder, await startLogin(cleanUp)) : localMachines(managers.folder)
      managers.configure(
        fleetConfig({
          name: 'hostile',
          url: coordinator.url,
          token: Coordinator.token,
          top: `log_format = "json"\nlisten_address = "127.0.0.1:0"\nstate_dir = "${join(managers.folder, 'state')}"`,
          machines,
          slots: 4,
        }),
      )
      const first = managers.start()
      const health = async (manager: BinRun): Promise<string> => `http://127.0.0.1:${await portOf(manager)}/health/live`
      const firstHealth = await health(first)
      const plain = { script: ['echo as ev""er'] }
      await ends(Array.from({ length: 8 }, () => coordinator.enqueue(plain)))
      const rest = memoryOf(first)
      const firstWatch = new Watch(first, firstHealth)

      const archives = [
        ...maliciousArchives.map(({ bytes }) => bytes),
        ...fc.sample(damagedArchive, { seed: 13, numRuns: variations }),
      ]
      const left = (bytes: Buffer): CoordinatorJob => {
        const job = coordinator.enqueue({ script: ['true'] })
        job.cancel()
        job.artifacts = { filename: 'artifacts.zip', bytes }
        return job
      }
      // A job ends with the first archive that cannot be taken: every second one has one, or what its script does would
      // hardly be tried.
      const samples = fc
        .sample(fuzzed, { seed: 13, numRuns: variations })
        .map((spec, index) =>
          index % 2 === 0 ? spec : { ...spec, dependencies: [left(archives[(index * 7) % archives.length]!)] },
        )
      const enqueue = (spec: Spec): CoordinatorJob => coordinator.enqueue({ ...spec, timeoutSeconds: 120 })
      const hostile: CoordinatorJob[] = []
      for (const spec of Object.values(specs)) {
        hostile.push(enqueue(spec))
        // Alone: what it does to the login is for its own later steps.
        if (isSsh) await ends(hostile)
      }
      // Other jobs meet a login that does no harm.
      rmSync(evil, { recursive: true, force: true })
      hostile.push(...samples.map(enqueue))
      const beside = hostile.map(() => coordinator.enqueue(plain))
      // Killed with hostile jobs under way: the next one reads them, takes them up, and does again what they had not
      // finished.
      await ends(hostile.slice(0, hostile.length / 3))
      await firstWatch.end()
      expect(first.process.exitCode).toBeNull()
      await kill(first)
      const manager = managers.start()
      const watch = new Watch(manager, await health(manager))
      await ends([...hostile, ...beside])
      await watch.end()
      for (const [index, name] of Object.keys(specs).entries())
        expect(hostile[index]!.trace.text(), name).toContain(said[name] ?? '')
      // Not all of them: some are ended by what their payload holds besides.
      const met = hostile.filter(({ trace }) => trace.text().includes('Downloading artifacts'))
      expect(met.length).toBeGreaterThan(variations / 5)
      expect(manager.process.exitCode).toBeNull()
      expect(beside.map(({ state }) => state)).toEqual(beside.map(() => 'success'))
      expect(Math.max(firstWatch.maxMemory, watch.maxMemory) - rest).toBeLessThan(300)
      // A machine that others keep busy answers later, whatever the manager does.
      expect(Math.max(firstWatch.longestMs, watch.longestMs)).toBeLessThan(
        1000 * Math.max(1, loadavg()[0]! / availableParallelism()),
      )

      await kill(manager)
      const next = managers.start()
      await portOf(next)
      const last = coordinator.enqueue(plain)
      await last.finished
      expect([last.state, next.process.exitCode]).toEqual(['success', null])
    },
  )
})
