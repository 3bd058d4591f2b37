// Caches through real managers, on real machines, kept by the machines and in a bucket.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import type { BinRun } from '@runner-core/testkit/manager/bin'
import { fleetConfig, hostMachines, Managers } from '@runner-core/testkit/manager/managers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: caches on OpenSSH: ${missing}`)

/** A bucket in memory, which keeps what is put as a whole, and can let a request wait. */
class Bucket implements AsyncDisposable {
  readonly objects = new Map<string, Buffer>()
  readonly asked: string[] = []
  /** Called before an object is kept. */
  onPut: () => Promise<void> = async () => {}
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://bucket')
      this.asked.push(`${request.method} ${pathname}`)
      if (!searchParams.has('X-Amz-Signature')) return void response.writeHead(403).end()
      const object = this.objects.get(pathname)
      if (request.method === 'PUT') {
        void buffer(request).then(async (body) => {
          await this.onPut()
          this.objects.set(pathname, body)
          response.end()
        })
      } else if (object === undefined) response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
      else response.end(request.method === 'HEAD' ? undefined : object)
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

describe.skipIf(missing !== undefined)('caches', () => {
  let coordinator: Coordinator
  let managers: Managers
  let sshd: Sshd
  const accessKey = `AKIA${randomBytes(8).toString('hex')}`
  const secretKey = randomBytes(20).toString('hex')

  beforeEach(async () => {
    coordinator = await Coordinator.start()
    managers = new Managers('caches')
    const { folder } = managers
    chmodSync(folder, 0o711)
    mkdirSync(join(folder, 'home'))
    chmodSync(join(folder, 'home'), 0o777)
    sshd = await startSshd({ config: [`SetEnv HOME=${join(folder, 'home')}`] })
  })

  afterEach(async () => {
    await managers[Symbol.asyncDispose]()
    await sshd.stop()
    await coordinator.close()
  })

  function start(cache: string): BinRun {
    const { folder } = managers
    managers.configure(
      fleetConfig({
        name: 'caches',
        url: coordinator.url,
        token: Coordinator.token,
        top: `log_level = "debug"\nstate_dir = "${join(folder, 'state')}"`,
        runner: `builds_dir = "${join(folder, 'home', 'builds')}"\ncache_dir = "${join(folder, 'home', 'cache')}"\n${cache}`,
        machines: hostMachines(folder, sshd),
      }),
    )
    return managers.start()
  }

  function job(
    script: readonly string[],
    variables: readonly { readonly key: string; readonly value: string }[] = [],
  ): CoordinatorJob {
    const cache = {
      key: 'deps',
      untracked: false,
      policy: 'pull-push',
      paths: ['vendor/'],
      when: 'on_success',
      fallback_keys: ['main'],
    }
    return coordinator.enqueue({
      script,
      variables,
      requires: ['cache', 'fallback_cache_keys'],
      override: { cache: [cache] },
    })
  }

  const make = [
    'rm -rf vendor',
    'mkdir -p vendor/a',
    'head -c 3000000 /dev/urandom > vendor/a/lib',
    'sum=$(cksum < vendor/a/lib); echo "sum $sum"',
  ]
  const use = ['echo "sum $(cksum < vendor/a/lib)"']
  const sumIn = ({ trace }: CoordinatorJob): string | undefined => /^sum \d+ \d+/m.exec(trace.text())?.[0]
  const count = ({ trace }: CoordinatorJob, line: string): number => trace.text().split(line).length - 1

  test('the machine keeps them from one job to the next', async () => {
    start('')
    const first = await job(make).finished
    rmSync(join(managers.folder, 'home', 'builds'), { recursive: true })
    const second = await job(use).finished
    expect([first.state, second.state], second.trace.text()).toEqual(['success', 'success'])
    expect(sumIn(second)).toBe(sumIn(first))
    expect(second.trace.text()).toMatch(/section_start:\d+:restore_cache\r/)
    expect(second.trace.text()).toMatch(/section_start:\d+:archive_cache\r/)
    expect(count(second, 'Archive is up to date!')).toBe(1)
    expect(readdirSync(join(managers.folder, 'home', 'cache', 'group', 'project', 'deps'))).toEqual(['cache.gz'])
  })

  test('in a bucket, and the manager is killed while one is sent: the next one sends it, the log says it once, and no key of the bucket is anywhere', async () => {
    await using bucket = new Bucket()
    const s3 = `[runners.cache]
Type = "s3"
[runners.cache.s3]
ServerAddress = "${await bucket.listen()}"
BucketName = "bucket"
AccessKey = "${accessKey}"
SecretKey = "${secretKey}"
Insecure = true
`
    const reached = new Promise<void>((resolve) => {
      bucket.onPut = () => {
        resolve()
        return new Promise(() => {})
      }
    })
    const killed = start(s3)
    const making = job(make)
    await reached
    killed.process.kill('SIGKILL')
    await killed.ended
    expect(bucket.objects.size).toBe(0)
    bucket.onPut = async () => {}
    start(s3)
    const first = await making.finished
    expect(first.state, first.trace.text()).toBe('success')
    expect(
      ['Creating cache deps...', 'Uploading cache to the shared', 'Created cache', 'section_start:'].map((line) =>
        count(first, line),
      ),
    ).toEqual([1, 1, 1, count(first, 'section_end:')])
    const name = /^\/bucket\/runner\/[^/]+\/project\/1\/deps$/
    expect([...bucket.objects.keys()]).toEqual([expect.stringMatching(name)])
    rmSync(join(managers.folder, 'home', 'builds'), { recursive: true })
    const second = await job(use, [{ key: 'CI_DEBUG_TRACE', value: 'true' }]).finished
    expect(second.state, second.trace.text()).toBe('success')
    expect(sumIn(second)).toBe(sumIn(first))
    expect(coordinator.violations.filter(({ rule }) => rule !== 'range_mismatch')).toEqual([])

    const written = readdirSync(managers.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'config.toml')
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    const said = [
      first.trace.text(),
      second.trace.text(),
      ...managers.runs.flatMap(({ stdout, stderr }) => [stdout, stderr]),
      ...written,
    ]
    for (const text of said)
      for (const secret of [accessKey, secretKey, 'X-Amz-']) expect(text.includes(secret)).toBe(false)
    expect(statSync(join(managers.folder, 'state')).isDirectory()).toBe(true)
  })

  test('a bucket that cannot be reached costs a job nothing but its cache', async () => {
    start(
      `[runners.cache]\nType = "s3"\n[runners.cache.s3]\nServerAddress = "127.0.0.1:1"\nBucketName = "bucket"\nAccessKey = "a"\nSecretKey = "b"\nInsecure = true\n`,
    )
    const { state, trace } = await job(make).finished
    expect(state, trace.text()).toBe('success')
    expect(trace.text()).toMatch(
      /WARNING: no answer: ECONNREFUSED.*Failed to extract cache.*WARNING: no answer: ECONNREFUSED.*Failed to create cache/s,
    )
  })
})
