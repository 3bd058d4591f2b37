import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type CacheArchive, CacheError, type CacheName, type CacheStore } from '../src/caches/cache-store.ts'
import type { JobCache } from '../src/job-payload.ts'
import { zipBytes } from './archive-bytes.ts'
import { payload, run, variable } from './job-fixture.ts'
import { LocalEnvironment } from './local-environment.ts'
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
  const end = rest.findIndex((line) => /^(Executing|Saving cache|Restoring cache|Cleaning up|Job succeeded|ERROR: )/.test(line))
  return rest.slice(0, end)
}

describe.each(localShells)('$name', (localShell) => {
  const machine = (): LocalEnvironment => new LocalEnvironment({ localShell })

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
    const { outcome, trace } = await run(environment, payload({ overrides: { cache: [...caches, cache({ policy: 'what' })] } }), {
      caches: { directory: 'cache', store },
    })
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
    expect(lines).toContain('WARNING: unknown cache policy what for deps: the cache is left out')
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
    await run(environment, payload({ overrides: { cache: [cache({ policy: 'pull' })] } }), { caches: { directory: 'cache', store } })
    expect(readdirSync(join(environment.home, 'elsewhere'))).toEqual([])
    expect(readFileSync(join(projectOf(environment), 'vendor/lib'), 'utf8')).toBe('library')
  })
})
