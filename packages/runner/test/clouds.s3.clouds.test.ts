// Caches in buckets of servers that others wrote.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import type { CacheName } from '@runner-core/job'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3CacheStore } from '../src/caches/s3-cache-store.ts'
import type { CacheSettings, S3CacheSettings } from '../src/config/settings.ts'
import { type S3Server, s3Servers } from './s3-servers.ts'

const { signal } = new AbortController()
const mebibyte = 1024 * 1024

describe.each(s3Servers)('$name', ({ name, missing, start }) => {
  if (missing !== '') console.warn(`caches on ${name}${missing}`)
  describe.skipIf(missing !== '')(`caches${missing}`, () => {
    let server: S3Server
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server?.[Symbol.asyncDispose]())

    function store(more: Partial<CacheSettings> = {}, s3: Partial<S3CacheSettings> = {}): S3CacheStore {
      const { address, bucket, accessKey, secretKey } = server
      const settings: CacheSettings = {
        type: 's3',
        shared: false,
        maxUploadedArchiveSize: 0,
        ...more,
        s3: {
          serverAddress: address,
          bucketName: bucket,
          bucketLocation: 'us-east-1',
          accessKey,
          secretKey,
          insecure: true,
          ...s3,
        },
      }
      return new S3CacheStore({
        settings,
        shortToken: 'tok123',
        environment: {},
        clock: systemClock,
        random: Math.random,
        partBytes: 5 * mebibyte,
      })
    }

    test.each([
      ['nothing', 0],
      ['a byte', 1],
      ['one part exactly', 5 * mebibyte],
      ['two parts exactly', 10 * mebibyte],
      ['three parts', 10 * mebibyte + 1],
    ])('%s comes back as it was', async (what, bytes) => {
      const cache = { projectId: 1, key: what }
      const content = randomBytes(bytes)
      await store().upload(cache, { content: pieces(content), digest: 'd1' }, signal)
      expect((await read(store(), cache))?.equals(content)).toBe(true)
    })

    test.each(['a/b', "it's (100 %) +*!~", 'größe/🦊', 'a=b&c?d#e', '%2e%2e', ...(name === 'moto' ? [] : ['x\ny'])])(
      'a key is any text: %j',
      async (key) => {
        const content = Buffer.from(key)
        await store().upload({ projectId: 2, key }, { content: pieces(content), digest: 'd1' }, signal)
        expect(await read(store(), { projectId: 2, key })).toEqual(content)
        expect(await read(store(), { projectId: 3, key })).toBeUndefined()
      },
    )

    test('none under a name is no error; runners share caches only where they are told to', async () => {
      const cache = { projectId: 4, key: 'deps' }
      expect(await read(store(), cache)).toBeUndefined()
      await store({ shared: true, path: '/all/' }).upload(
        cache,
        { content: pieces(Buffer.from('shared')), digest: 'd1' },
        signal,
      )
      expect(await read(store(), cache)).toBeUndefined()
      expect(await read(store({ shared: true, path: 'all' }), cache)).toEqual(Buffer.from('shared'))
    })

    test('an upload that breaks off leaves what was there', async () => {
      const cache = { projectId: 5, key: 'deps' }
      const first = randomBytes(11 * mebibyte)
      await store().upload(cache, { content: pieces(first), digest: 'd1' }, signal)
      async function* broken(): AsyncGenerator<Buffer> {
        yield* pieces(randomBytes(11 * mebibyte))
        throw new Error('the machine was lost')
      }
      await expect(store().upload(cache, { content: broken(), digest: 'd1' }, signal)).rejects.toThrow(
        'the machine was lost',
      )
      const stop = new AbortController()
      async function* stopped(): AsyncGenerator<Buffer> {
        yield* pieces(randomBytes(11 * mebibyte))
        stop.abort(new Error('canceled'))
        yield* pieces(randomBytes(11 * mebibyte))
      }
      await expect(store().upload(cache, { content: stopped(), digest: 'd1' }, stop.signal)).rejects.toThrow('canceled')
      expect((await read(store(), cache))?.equals(first)).toBe(true)
    })

    test.each([1, 12 * mebibyte])('the digest of what is kept is known, of %d bytes', async (bytes) => {
      const cache = { projectId: 8, key: `digest ${bytes}` }
      expect(await store().digest(cache, signal)).toBeUndefined()
      await store().upload(cache, { content: pieces(randomBytes(bytes)), digest: 'one' }, signal)
      expect(await store().digest(cache, signal)).toBe('one')
      await store().upload(cache, { content: pieces(randomBytes(bytes)), digest: 'two' }, signal)
      expect(await store().digest(cache, signal)).toBe('two')
    })

    test('of two uploads at once one counts, as a whole', async () => {
      const cache = { projectId: 6, key: 'deps' }
      const contents = [1, 2, 3].map((fill) => Buffer.alloc(12 * mebibyte + fill, fill))
      await Promise.all(
        contents.map((content) => store().upload(cache, { content: pieces(content), digest: 'd1' }, signal)),
      )
      const kept = await read(store(), cache)
      expect(contents.some((content) => kept?.equals(content))).toBe(true)
    })

    test('what is too large is not kept', async () => {
      const cache = { projectId: 7, key: 'deps' }
      const upload = store({ maxUploadedArchiveSize: 6 * mebibyte }).upload(
        cache,
        { content: pieces(randomBytes(7 * mebibyte)), digest: 'd1' },
        signal,
      )
      await expect(upload).rejects.toMatchObject({ code: 'too_large', message: expect.stringContaining('too big') })
      expect(await read(store(), cache)).toBeUndefined()
    })

    test('a bucket that is not there is told apart from a cache that is not', async () => {
      const refused = {
        code: 'refused',
        message: expect.stringMatching(/^received: 404\. Request failed with code: NoSuchBucket, message: /),
      }
      const nowhere = store({}, { bucketName: 'nowhere' })
      await expect(
        nowhere.upload({ projectId: 1, key: 'k' }, { content: pieces(Buffer.from('x')), digest: 'd1' }, signal),
      ).rejects.toMatchObject(refused)
      await expect(read(nowhere, { projectId: 1, key: 'k' })).rejects.toMatchObject(refused)
    })

    test.each(['zip', 'tarzstd'])('a job leaves a large one to the next as %s', async (format) => {
      using environment = new LocalEnvironment({ localShell: { name: 'bash', shell: 'bash' } })
      const caches = { directory: 'cache', store: store() }
      const cache = {
        key: `jobs/${format}`,
        fallback_keys: [],
        untracked: false,
        policy: '',
        paths: ['vendor/**/*'],
        when: '',
      }
      const job = (script: readonly string[]) =>
        run(
          environment,
          payload({ script, variables: [variable('CACHE_COMPRESSION_FORMAT', format)], overrides: { cache: [cache] } }),
          {
            caches,
          },
        )
      const sum = 'echo "sum $(cat vendor/a vendor/d/b | cksum)"'
      const first = await job([
        'mkdir -p vendor/d',
        'head -c 14000000 /dev/urandom > vendor/a',
        'echo b > vendor/d/b',
        sum,
      ])
      expect(first.trace).toContain('\nCreated cache\n')
      rmSync(join(environment.home, 'builds'), { recursive: true })
      const second = await job([sum])
      expect(second.trace).toContain('\nSuccessfully extracted cache\n')
      expect(second.trace).toContain('\nArchive is up to date!\n')
      expect(/^sum .*/m.exec(second.trace)?.[0]).toBe(/^sum .*/m.exec(first.trace)![0])
    })

    test.skipIf(name === 'moto')('a wrong key is refused, and no message holds it', async () => {
      const wrong = store({}, { secretKey: 'wrong-secret' }).upload(
        { projectId: 1, key: 'k' },
        { content: pieces(Buffer.from('x')), digest: 'd1' },
        signal,
      )
      const error = await wrong.catch((cause: unknown) => cause as Error)
      expect(error).toMatchObject({
        code: 'refused',
        message: expect.stringMatching(/^received: 403\. .*SignatureDoesNotMatch/),
      })
      expect((error as Error).message).not.toMatch(/wrong-secret|runner-access|X-Amz/i)
    })
  })
})

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000)
}

async function read(store: S3CacheStore, cache: CacheName): Promise<Buffer | undefined> {
  const content = await store.download(cache, signal)
  if (content === undefined) return undefined
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}
