import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { zipBytes } from '@runner-core/testkit/archives/archive-bytes'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { describe, expect, test } from 'vitest'
import { archiveFormat } from '../src/archive/archive-format.ts'
import { type CacheArchive, CacheError, type CacheName, type CacheStore } from '../src/caches/cache-store.ts'
import type { JobCache } from '../src/job-payload.ts'
import { localShells } from './local-shells.ts'

/** A store in memory. */
class MemoryStore implements CacheStore {
  readonly archives = new Map<string, Buffer>()
  readonly digests = new Map<string, string>()
  readonly asked: string[] = []
  failures: Error[] = []

  async download({ projectId, key }: CacheName): Promise<AsyncIterable<Buffer> | undefined> {
    this.asked.push(`get ${projectId}/${key}`)
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    const archive = this.archives.get(`${projectId}/${key}`)
    return archive === undefined ? undefined : pieces(archive)
  }

  async digest({ projectId, key }: CacheName): Promise<string | undefined> {
    return this.digests.get(`${projectId}/${key}`)
  }

  async upload({ projectId, key }: CacheName, { content, digest }: CacheArchive): Promise<void> {
    this.asked.push(`put ${projectId}/${key}`)
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    const chunks: Buffer[] = []
    for await (const chunk of content) chunks.push(chunk)
    this.archives.set(`${projectId}/${key}`, Buffer.concat(chunks))
    this.digests.set(`${projectId}/${key}`, digest)
  }
}

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 10_000) yield content.subarray(at, at + 10_000)
}

const cache = (fields: Partial<JobCache> = {}): JobCache => ({
  key: 'deps',
  untracked: false,
  policy: 'pull-push',
  paths: ['vendor/'],
  when: 'on_success',
  fallback_keys: [],
  ...fields,
})
const projectOf = ({ home }: LocalEnvironment): string => join(home, 'builds/tok123/0/group/project')
/** Waits are over at once. */
const clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, delayMs < 60_000 ? Math.min(delayMs, 10) : delayMs)
    return () => clearTimeout(timer)
  },
}
const stageOf = (trace: string, title: string): readonly string[] => {
  const lines = trace.split('\n')
  const rest = lines.slice(lines.indexOf(title) + 1)
  const end = rest.findIndex((line) =>
    /^(Executing|Saving cache|Restoring cache|Cleaning up|Job succeeded|ERROR: )/.test(line),
  )
  return rest.slice(0, end)
}

describe.each(localShells)('$name', (localShell) => {
  const machine = (): LocalEnvironment => new LocalEnvironment({ localShell })

  test('what steps left in GITLAB_ENV says where the files of a cache are, and how it is packed, but not its key', async () => {
    using environment = machine()
    const store = new MemoryStore()
    const job = payload({
      script: [
        'mkdir early late; echo x >late/lib; { echo DIR=late; echo CACHE_COMPRESSION_FORMAT=tarzstd; } >>"$GITLAB_ENV"',
      ],
      variables: [variable('DIR', 'early')],
      overrides: { cache: [cache({ key: 'k-$DIR', paths: ['$DIR/'] })] },
    })
    const { outcome, trace } = await run(environment, job, { caches: { directory: 'cache', store } })
    expect(outcome, trace).toEqual({ state: 'success' })
    expect([...store.archives.keys()]).toEqual(['7/k-early'])
    expect(trace).toContain('late/: found 2 matching artifact files and directories\n')
    expect(archiveFormat(store.archives.get('7/k-early')!)).toBe('zstd')
    expect(existsSync(`${projectOf(environment)}.tmp/gitlab_runner_env`)).toBe(false)
  })

  test('a cache of the store is there before the job begins; the first key counts that there is', async () => {
    using environment = machine()
    const store = new MemoryStore()
    const link = { name: 'vendor/python', mode: 0o120777, content: '/usr/bin/python3' }
    store.archives.set('7/main', zipBytes([{ name: 'vendor/a/lib', content: 'library' }, link]))
    const job = payload({
      script: ['cat vendor/a/lib'],
      variables: [variable('CACHE_FALLBACK_KEY', 'last')],
      overrides: { cache: [cache({ fallback_keys: ['none', 'main'], policy: 'pull' })] },
    })
    const { outcome, trace } = await run(environment, job, { caches: { directory: 'cache', store } })
    expect(outcome).toEqual({ state: 'success' })
    expect(store.asked).toEqual(['get 7/deps', 'get 7/none', 'get 7/main'])
    expect(stageOf(trace, 'Restoring cache')).toEqual([
      'Checking cache for deps...',
      'WARNING: file does not exist',
      'WARNING: Failed to extract cache',
      'Checking cache for none...',
      'WARNING: file does not exist',
      'WARNING: Failed to extract cache',
      'Checking cache for main...',
      'Downloading cache from the shared cache server',
      'Successfully extracted cache',
    ])
    expect(readlinkSync(join(projectOf(environment), 'vendor/python'))).toBe('/usr/bin/python3')
  })

  test('whatever goes wrong with a cache, the job goes on', async () => {
    using environment = machine()
    const store = new MemoryStore()
    store.archives.set('7/broken', Buffer.from('PK\x03\x04 what is this'))
    store.archives.set('7/evil', zipBytes([{ name: '../../evil', content: 'x' }]))
    store.archives.set('7/hook', zipBytes([{ name: '.git/hooks/post-checkout', content: 'x' }]))
    store.failures = [new CacheError('refused', 'received: 403'), new Error('a fault')]
    const caches = ['refused', 'faulty', 'broken', 'evil', 'hook', '..'].map((key) => cache({ key, policy: 'pull' }))
    const { outcome, trace } = await run(
      environment,
      payload({ overrides: { cache: [...caches, cache({ policy: 'what' })] } }),
      {
        caches: { directory: 'cache', store },
      },
    )
    expect(outcome).toEqual({ state: 'success' })
    const lines = stageOf(trace, 'Restoring cache')
    for (const [key, why] of [
      ['refused', 'received: 403'],
      ['faulty', 'a fault'],
    ]) {
      expect(lines.slice(lines.indexOf(`Checking cache for ${key}...`)).slice(1, 3)).toEqual([
        `WARNING: ${why}`,
        'WARNING: Failed to extract cache',
      ])
    }
    expect(lines.filter((line) => line === 'WARNING: Failed to extract cache')).toHaveLength(5)
    expect(lines.join('\n')).toMatch(/WARNING: the archive is refused: the name "\.\.\/\.\.\/evil" leads out/)
    expect(lines.join('\n')).toMatch(/WARNING: the archive is damaged/)
    expect(lines).toContain('WARNING: unknown cache policy what for deps: the cache is skipped')
    expect(readdirSync(join(environment.home, 'builds/tok123/0/group'))).toEqual(['project', 'project.tmp'])
    expect(readdirSync(projectOf(environment))).toEqual([])
  })

  test('RESTORE_CACHE_ATTEMPTS: what failed is tried again', async () => {
    using environment = machine()
    const store = new MemoryStore()
    store.archives.set('7/deps', zipBytes([{ name: 'vendor/lib', content: 'library' }]))
    store.failures = [new CacheError('failed', 'received: 503'), new CacheError('failed', 'received: 503')]
    const job = payload({
      script: ['cat vendor/lib'],
      variables: [variable('RESTORE_CACHE_ATTEMPTS', '3')],
      overrides: { cache: [cache({ policy: 'pull' })] },
    })
    const { outcome } = await run(environment, job, { caches: { directory: 'cache', store }, clock })
    expect(outcome).toEqual({ state: 'success' })
    expect(store.asked).toHaveLength(3)
  })

  test('a symbolic link of the repository does not lead a cache elsewhere', async () => {
    using environment = machine()
    const store = new MemoryStore()
    store.archives.set('7/deps', zipBytes([{ name: 'vendor/lib', content: 'library' }]))
    mkdirSync(projectOf(environment), { recursive: true })
    mkdirSync(join(environment.home, 'elsewhere'))
    symlinkSync(join(environment.home, 'elsewhere'), join(projectOf(environment), 'vendor'))
    await run(environment, payload({ overrides: { cache: [cache({ policy: 'pull' })] } }), {
      caches: { directory: 'cache', store },
    })
    expect(readdirSync(join(environment.home, 'elsewhere'))).toEqual([])
    expect(readFileSync(join(projectOf(environment), 'vendor/lib'), 'utf8')).toBe('library')
  })

  test('a machine keeps a cache from one job to the next, on other machines too that share its home', async () => {
    using environment = machine()
    const making = payload({
      script: [
        'mkdir -p vendor/a',
        'echo library > vendor/a/lib',
        'chmod 700 vendor/a/lib',
        'ln -s /usr/bin/python3 vendor/python',
        'echo other > not-cached',
      ],
      overrides: { cache: [cache()] },
    })
    const first = await run(environment, making)
    expect(first.outcome).toEqual({ state: 'success' })
    const local =
      'No URL provided, cache will not be downloaded from shared cache server. Instead a local version of cache will be extracted.'
    expect(stageOf(first.trace, 'Restoring cache')).toEqual([
      'Checking cache for deps...',
      local,
      'WARNING: Cache file does not exist',
      'WARNING: Failed to extract cache',
    ])
    expect(stageOf(first.trace, 'Saving cache for successful job')).toEqual([
      'Creating cache deps...',
      'vendor/: found 4 matching artifact files and directories',
      'No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.',
      'Created cache',
    ])
    expect(readdirSync(join(environment.home, 'cache/group/project/deps'))).toEqual(['cache.gz'])

    using other = new LocalEnvironment({ localShell, home: environment.home, concurrentId: 1 })
    const asking = payload({
      script: ['cat vendor/a/lib', '[ -x vendor/a/lib ]', '[ ! -e not-cached ]'],
      overrides: { cache: [cache()] },
    })
    const second = await run(other, asking)
    expect(second.outcome).toEqual({ state: 'success' })
    expect(second.trace).toContain('\nlibrary\n')
    expect(stageOf(second.trace, 'Restoring cache')).toEqual([
      'Checking cache for deps...',
      local,
      'Successfully extracted cache',
    ])
    expect(readlinkSync(join(environment.home, 'builds/tok123/1/group/project/vendor/python'))).toBe('/usr/bin/python3')
    // busybox's find does not tell whether something has changed.
    const isUnchanged = stageOf(second.trace, 'Saving cache for successful job').includes('Archive is up to date!')
    expect(isUnchanged).toBe(localShell.busyboxOnly !== true)
  })

  test.each(['zip', 'tarzstd', 'zipzstd'])(
    'a store keeps a cache from one job to the next, as %s; what has not changed is not sent again',
    async (format) => {
      using environment = machine()
      const store = new MemoryStore()
      const variables = [variable('CACHE_COMPRESSION_FORMAT', format), variable('CACHE_COMPRESSION_LEVEL', 'fast')]
      const job = async (script: string) => {
        // Each has an environment of its own.
        using own = new LocalEnvironment({ localShell, home: environment.home })
        return await run(own, payload({ script: [script], variables, overrides: { cache: [cache()] } }), {
          caches: { directory: 'cache', store },
        })
      }
      const first = await job(
        'mkdir -p vendor/a; echo library > vendor/a/lib; ln -s a/lib vendor/link; ln vendor/a/lib vendor/same',
      )
      expect(stageOf(first.trace, 'Saving cache for successful job')).toEqual([
        'Creating cache deps...',
        'vendor/: found 5 matching artifact files and directories',
        'Uploading cache to the shared cache server',
        'Created cache',
      ])
      expect(archiveFormat(store.archives.get('7/deps')!)).toBe(format === 'tarzstd' ? 'zstd' : 'zip')
      rmSync(projectOf(environment), { recursive: true })
      const second = await job('cat vendor/a/lib vendor/link vendor/same')
      expect(second.trace).toContain('\nlibrary\nlibrary\nlibrary\n')
      rmSync(projectOf(environment), { recursive: true })
      const third = await job('echo newer > vendor/a/lib')
      rmSync(projectOf(environment), { recursive: true })
      expect((await job('cat vendor/a/lib')).trace).toContain('\nnewer\n')
      if (localShell.busyboxOnly === true) return
      expect(stageOf(second.trace, 'Saving cache for successful job').slice(2)).toEqual([
        'Archive is up to date!',
        'Created cache',
      ])
      expect(stageOf(third.trace, 'Saving cache for successful job').slice(2)).toEqual([
        'Uploading cache to the shared cache server',
        'Created cache',
      ])
      expect(existsSync(join(environment.home, 'cache'))).toBe(false)
    },
  )

  test('after a job that failed only what is wanted then is saved; it stays failed', async () => {
    using environment = machine()
    const caches = ['on_success', 'on_failure', 'always'].map((when) => cache({ key: when, when }))
    const job = payload({ script: ['mkdir vendor; echo x > vendor/lib; exit 3'], overrides: { cache: caches } })
    const { outcome, trace } = await run(environment, job)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 3 })
    expect(trace).toContain('\nSaving cache for failed job\n')
    expect(readdirSync(join(environment.home, 'cache/group/project')).sort()).toEqual(['always', 'on_failure'])
  })

  test('a cache that cannot be saved does not fail a job', async () => {
    using environment = machine()
    const store = new MemoryStore()
    store.failures = [new CacheError('too_large', 'Cache archive size is too big (Limit is set to 5)')]
    const caches = [cache({ policy: 'push' }), cache({ key: 'none', paths: ['nothing/'], policy: 'push' })]
    const { outcome, trace } = await run(
      environment,
      payload({ script: ['mkdir vendor'], overrides: { cache: caches } }),
      {
        caches: { directory: 'cache', store },
      },
    )
    expect(outcome).toEqual({ state: 'success' })
    const lines = stageOf(trace, 'Saving cache for successful job')
    expect(lines.slice(3, 5)).toEqual([
      'WARNING: Cache archive size is too big (Limit is set to 5)',
      'WARNING: Failed to create cache',
    ])
    expect(lines.at(-1)).toBe('WARNING: No files to cache.')
    // A directory that cannot be written to.
    mkdirSync(join(environment.home, 'cache/group'), { recursive: true })
    writeFileSync(join(environment.home, 'cache/group/project'), '')
    const local = await run(environment, payload({ script: ['mkdir -p vendor'], overrides: { cache: [cache()] } }))
    expect(local.outcome).toEqual({ state: 'success' })
    expect(local.trace).toContain('\nWARNING: Failed to create cache\n')
  })

  test('CACHE_COMPRESSION_LEVEL: slower is smaller, on the machine and in a store', async () => {
    const sizes: Record<string, readonly number[]> = {}
    for (const level of ['fastest', 'slowest']) {
      using environment = machine()
      const store = new MemoryStore()
      const job = payload({
        script: [
          'mkdir vendor; i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo "$i $((i*7919%10007)) $((i*104729%65537))"; done > vendor/lib',
        ],
        variables: [variable('CACHE_COMPRESSION_LEVEL', level)],
        overrides: { cache: [cache()] },
      })
      await run(environment, job)
      rmSync(projectOf(environment), { recursive: true })
      await run(environment, job, { caches: { directory: 'cache', store } })
      sizes[level] = [
        statSync(join(environment.home, 'cache/group/project/deps/cache.gz')).size,
        store.archives.get('7/deps')!.length,
      ]
    }
    // busybox's gzip knows one level.
    if (localShell.busyboxOnly !== true) expect(sizes['slowest']![0]).toBeLessThan(sizes['fastest']![0]!)
    expect(sizes['slowest']![1]).toBeLessThan(sizes['fastest']![1]!)
  })

  test('untracked files are cached, also those that git ignores', async () => {
    if (localShell.busyboxOnly === true) return
    using environment = machine()
    const setUp = [
      'git init -q .',
      'echo ignored > .gitignore',
      'git add .gitignore',
      'echo 1 > ignored',
      'echo 2 > other',
    ]
    await run(environment, payload({ script: setUp, overrides: { cache: [cache({ paths: [], untracked: true })] } }))
    rmSync(projectOf(environment), { recursive: true })
    const { trace } = await run(
      environment,
      payload({
        script: ['cat ignored other; [ ! -e .gitignore ]'],
        overrides: { cache: [cache({ policy: 'pull' })] },
      }),
    )
    expect(trace).toContain('\n1\n2\n')
  })
})
