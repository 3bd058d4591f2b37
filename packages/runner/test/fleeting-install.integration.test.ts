// `runner-core fleeting` against a registry process: what is installed is whole, where upstream looks for it, and there
// whatever goes wrong on the way.
import { createPrivateKey, randomBytes, sign } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { type BinRun, runBin, startBin } from '@runner-core/testkit/manager/bin'
import { type ArchivedFile, digestOf, program, push } from '@runner-core/testkit/registry/artifact'
import { account, DockerRegistry, registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { type FaultyFront, startFaultyFront } from '@runner-core/testkit/registry/faulty-front'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

const missing = registryMissing()
if (missing !== undefined) console.warn(`SKIPPED: plugins from a registry: ${missing}`)

const here = `linux/${{ x64: 'amd64' }[process.arch as string] ?? process.arch}`
const moon = 'acme/fleeting/moon'

let folder: string
let plugins: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleeting-install-'))
  plugins = join(folder, 'plugins')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Nothing of the machine's own, but where programs are. */
const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: folder,
  FLEETING_PLUGIN_PATH: plugins,
  ...more,
})
type Ended = Awaited<ReturnType<typeof runBin>>
const fleeting = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  runBin(['fleeting', ...args], { env: environment(env) })
const start = (args: readonly string[]): BinRun => startBin(['fleeting', ...args], { env: environment() })
const directory = (host: string, version: string): string => join(plugins, host.replace(':', '!'), moon, version)
/** All files and directories, hidden ones too. */
const everything = (): readonly string[] =>
  existsSync(plugins) ? (readdirSync(plugins, { recursive: true }) as string[]).sort() : []
/** Answers the file. */
function authFile(content: object, name = '.docker/config.json'): string {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(content))
  return file
}

describe.skipIf(missing !== undefined)('an open registry', () => {
  let registry: DockerRegistry
  let host: string
  let origin: string
  beforeAll(async () => {
    registry = await DockerRegistry.start()
    host = `127.0.0.1:${registry.port}`
    origin = `http://${host}`
    await push(origin, moon, { version: '1.4.0', tags: ['1.4.0', '1.4'], files: { [here]: [program('1.4.0')] } })
    await push(origin, moon, {
      version: '1.5.1',
      tags: ['1.5.1', '1.5', '1', 'latest'],
      files: {
        'windows/amd64': [program('windows', 'Files/plugin/plugin.exe')],
        [here]: [program('1.5.1'), { path: 'plugin/data/table', content: 'x' }],
        'linux/s390x': [program('other')],
      },
    })
  })
  afterAll(async () => await registry[Symbol.asyncDispose]())

  const configured = (plugin: string): string => {
    const file = join(folder, 'config.toml')
    writeFileSync(
      file,
      `[[runners]]\nname = "one"\nurl = "http://127.0.0.1:9"\ntoken = "glrt-1"\nexecutor = "instance"\n[runners.autoscaler]\nplugin = "${plugin}"\nmax_instances = 1\n[[runners.autoscaler.policy]]\nidle_count = 0\n`,
    )
    return file
  }

  test('a plugin by a part of its version, where it is looked for', async () => {
    const file = join(directory(host, '1.5.1'), 'plugin')
    expect(await fleeting(['install', `${host}/${moon}:1`])).toEqual({
      code: 0,
      stdout: `plugin: ${host}/${moon}:1, version: 1.5.1, path: ${file}\n`,
      stderr: expect.stringContaining(`fetching 1.5.1 for ${here}`),
    })
    expect(readFileSync(file, 'utf8')).toContain('echo 1.5.1')
    expect(statSync(file).mode & 0o7777).toBe(0o755)
    expect(readFileSync(join(directory(host, '1.5.1'), 'data/table'), 'utf8')).toBe('x')
    expect(readdirSync(plugins)).toEqual([host.replace(':', '!')])
    // Again: it stays as it is.
    const { ino } = statSync(file)
    expect((await fleeting(['install', `${host}/${moon}:1`])).stdout).toContain('version: 1.5.1 (already installed)')
    expect(statSync(file).ino).toBe(ino)
  })

  test("the configuration's plugins: installed, then found, also by plan; upgraded when asked", async () => {
    const config = configured(`${host}/${moon}`)
    expect(await fleeting(['list', '-c', config])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('runner-core fleeting install'),
    })
    expect((await runBin(['validate', '-c', config], { env: environment() })).code).toBe(2)
    await fleeting(['install', `${host}/${moon}:1.4`])
    const old = join(directory(host, '1.4.0'), 'plugin')
    expect(await fleeting(['install', '-c', config])).toEqual({
      code: 0,
      stdout: `runner: one, plugin: ${host}/${moon}, path: ${old}\n`,
      stderr: '',
    })
    expect((await runBin(['validate', '-c', config], { env: environment() })).code).toBe(0)
    const best = join(directory(host, '1.5.1'), 'plugin')
    expect((await fleeting(['install', '--upgrade', '-c', config])).stdout).toContain(`version: 1.5.1, path: ${best}`)
    expect(await fleeting(['list', '-c', config])).toEqual({
      code: 0,
      stdout: `runner: one, plugin: ${host}/${moon}, path: ${best}\n`,
      stderr: '',
    })
  })

  test('without a tag of that name, the best version among the tags', async () => {
    const repository = 'untended/moon'
    for (const version of ['0.9.0', '1.2.0', '1.10.0', '1.11.0-rc.1'])
      await push(origin, repository, { version, files: { [here]: [program(version)] } })
    expect((await fleeting(['install', `${host}/${repository}`])).stdout).toContain('version: 1.10.0,')
    expect((await fleeting(['install', `${host}/${repository}:1.2`])).stdout).toContain('version: 1.2.0,')
    const exact = await fleeting(['install', `${host}/${repository}:1.11`])
    expect(exact.stdout).toContain('version: 1.11.0-rc.1,')
    expect((await fleeting(['list', `${host}/${repository}`])).stdout).toBe('0.9.0\n1.2.0\n1.10.0\n1.11.0-rc.1\n')
    expect((await fleeting(['list', `${host}/${repository}:1`])).stdout).toBe('1.2.0\n1.10.0\n1.11.0-rc.1\n')
    expect(await fleeting(['install', `${host}/${repository}:3`])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(':3 does not exist; available: 0.9.0, 1.2.0, 1.10.0, 1.11.0-rc.1'),
    })
  })

  test('by digest, from a lone manifest, and unpacked as it is', async () => {
    const { [here]: layer } = await push(origin, 'lone/moon', {
      version: '2.0.0',
      isSingle: true,
      isPlainTar: true,
      files: { [here]: [program('lone')] },
    })
    expect(layer).toMatch(/^sha256:/)
    const manifest = await fetch(`${origin}/v2/lone/moon/manifests/2.0.0`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    })
    const digest = digestOf(await manifest.text())
    const reference = `${host}/lone/moon@${digest}`
    const config = configured(reference)
    const missing = await runBin(['validate', '-c', config], { env: environment() })
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`try: runner-core fleeting install ${reference}`),
    })
    const { code, stdout, stderr } = await fleeting(['install', '-c', config])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('version: 2.0.0,') })
    expect(stderr).not.toContain('warning')
    expect((await runBin(['validate', '-c', config], { env: environment() })).code).toBe(0)
    const { stdout: listed } = await fleeting(['list', '-c', config])
    const [, file = ''] = /path: (.*)\n/.exec(listed) ?? []
    expect(readFileSync(file, 'utf8')).toContain('echo lone')
  })

  test('by digest, what an installed artifact of the same version holds does not count', async () => {
    const repository = 'twice/moon'
    const digests = []
    for (const says of ['first', 'second']) {
      await push(origin, repository, { version: '1.0.0', isSingle: true, files: { [here]: [program(says)] } })
      const manifest = await fetch(`${origin}/v2/${repository}/manifests/1.0.0`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      })
      digests.push(digestOf(await manifest.text()))
    }
    await fleeting(['install', `${host}/${repository}:1.0.0`])
    for (const [index, says] of ['first', 'second'].entries()) {
      const { stdout } = await fleeting(['install', `${host}/${repository}@${digests[index]}`])
      const [, file = ''] = /version: 1\.0\.0, path: (.*)\n/.exec(stdout) ?? []
      expect(readFileSync(file, 'utf8')).toContain(`echo ${says}`)
    }
  })

  test('an artifact that calls itself another version than its tag is refused, and nothing is there', async () => {
    await push(origin, 'bad/renamed', { version: '99.0.0', tags: ['1.5', '1.6.0'], files: { [here]: [program('x')] } })
    for (const tag of ['1.5', '1.6']) {
      expect(await fleeting(['install', `${host}/bad/renamed:${tag}`])).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/bad\/renamed:1\.[56](\.0)? calls itself 99\.0\.0/),
      })
    }
    expect(everything()).toEqual([])
  })

  test.each<[string, readonly ArchivedFile[], RegExp]>([
    ['a link', [program('x'), { path: 'plugin/link', linkTo: '/etc/passwd' }], /"plugin\/link" is not a plain file/],
    ['a name that leads out', [program('x'), program('x', 'plugin/../../../evil')], /leads out of the directory/],
    [
      'an absolute name',
      [program('x'), program('x', '/tmp/evil')],
      /not in the directory plugin|leads out of the directory/,
    ],
    ['a name beside it', [program('x'), program('x', 'other/evil')], /not in the directory plugin/],
    ['no program', [{ path: 'plugin/README', content: 'x' }], /archive contains no program/],
    ['nothing', [], /cannot be unpacked/],
    ['a program that may not be run', [{ path: 'plugin/plugin', content: 'x' }], /no program/],
  ])('%s is refused, and nothing is there', async (name, files, why) => {
    const repository = `bad/${name.replaceAll(' ', '-')}`
    await push(origin, repository, { version: '1.0.0', files: { [here]: files } })
    expect(await fleeting(['install', `${host}/${repository}:1.0.0`])).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(why),
    })
    expect(everything()).toEqual([])
    expect(readdirSync(folder)).toEqual(['plugins'])
  })

  test('what is no plugin, not for this system, or not there, is told so', async () => {
    await push(origin, 'bad/unmarked', { version: '1.0.0', isUnmarked: true, files: { [here]: [program('x')] } })
    await push(origin, 'bad/elsewhere', {
      version: '1.0.0',
      files: { 'linux/s390x': [program('x')], 'windows/amd64': [program('x')] },
    })
    await push(origin, 'bad/version', { version: '../../1.0.0', tags: ['1.0.0'], files: { [here]: [program('x')] } })
    const problems: readonly [string, RegExp][] = [
      ['bad/unmarked:1.0.0', /is an image, but not a plugin's/],
      ['bad/elsewhere:1.0.0', /is not for linux\/\w+; it is for: linux\/s390x, windows\/amd64/],
      ['bad/version:1.0.0', /is not a version of a plugin/],
      ['bad/nowhere:1.0.0', /does not exist\n/],
    ]
    for (const [reference, why] of problems) {
      expect(await fleeting(['install', `${host}/${reference}`])).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(why),
      })
    }
    expect((await fleeting(['install', `${host}/Bad:1`])).stderr).toContain('in lower case')
    expect((await fleeting(['install', '@acme/moon'])).stderr).toContain('npm install @acme/moon')
    expect(everything()).toEqual([])
  })

  test('a program on PATH of that name is not overlooked', async () => {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'fleeting-plugin-moon'), '#!/bin/sh\n')
    chmodSync(join(bin, 'fleeting-plugin-moon'), 0o755)
    const config = configured('moon')
    expect(await fleeting(['install', '--upgrade', '-c', config], { PATH: `${process.env['PATH']}:${bin}` })).toEqual({
      code: 0,
      stdout: `runner: one, plugin: moon, path: ${join(bin, 'fleeting-plugin-moon')}\n`,
      stderr: '',
    })
  })

  describe('behind what goes wrong', () => {
    let front: FaultyFront
    const big = randomBytes(3_000_000)
    let layer: string
    beforeAll(async () => {
      const layers = await push(origin, moon, {
        version: '3.0.0',
        files: { [here]: [program('3.0.0'), { path: 'plugin/big', content: big }] },
      })
      layer = layers[here] as string
    })
    beforeEach(async () => {
      front = await startFaultyFront(registry.port)
    })
    afterEach(async () => await front[Symbol.asyncDispose]())
    const install = (): Promise<Ended> => fleeting(['install', `${front.host}/${moon}:3.0.0`])
    const isLayer = (url = ''): boolean => url.includes(layer)
    const layerBytes = async (): Promise<Buffer> =>
      Buffer.from(await (await fetch(`${origin}/v2/${moon}/blobs/${layer}`)).arrayBuffer())

    test.each<[string, (url: string, bytes: Buffer) => Buffer, RegExp]>([
      [
        'a byte of the layer',
        (url, bytes) => (isLayer(url) ? Buffer.from(bytes).fill(bytes[1000]! ^ 1, 1000, 1001) : bytes),
        /has the wrong digest/,
      ],
      [
        'the end of the layer',
        (url, bytes) => (isLayer(url) ? bytes.subarray(0, -1) : bytes),
        /ended after \d+ of \d+ bytes/,
      ],
      [
        'more than the layer',
        (url, bytes) => (isLayer(url) ? Buffer.concat([bytes, Buffer.from('x')]) : bytes),
        /is longer than/,
      ],
      [
        'the index',
        (url, bytes) => (url.endsWith('manifests/3.0.0') ? Buffer.concat([bytes, Buffer.from(' ')]) : bytes),
        /manifest 3\.0\.0 has the wrong digest/,
      ],
      [
        'the manifest',
        (url, bytes) => (/manifests\/sha256:/.test(url) ? Buffer.concat([bytes, Buffer.from(' ')]) : bytes),
        /manifest sha256:\w+ has the wrong digest/,
      ],
    ])('%s is another: refused, and nothing is there', async (_, change, why) => {
      front.change = change
      expect(await install()).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(why) })
      expect(everything()).toEqual([])
    })

    test('a connection that breaks, and a registry that is busy, are tried again', async () => {
      const bytes = await layerBytes()
      let tries = 0
      front.fault = ({ url }, response) => {
        if (!isLayer(url) || ++tries > 2) return false
        if (tries === 1) response.writeHead(503, { 'retry-after': '0' }).end()
        else {
          response.writeHead(200, { 'content-length': bytes.length })
          response.write(bytes.subarray(0, 1_000_000), () => response.destroy())
        }
        return true
      }
      expect(await install()).toMatchObject({ code: 0, stdout: expect.stringContaining('version: 3.0.0,') })
      expect(tries).toBe(3)
      expect(readFileSync(join(directory(front.host, '3.0.0'), 'big')).equals(big)).toBe(true)
    })

    test('killed in the middle: nothing half is there, and the next installation clears up', async () => {
      const bytes = await layerBytes()
      let halfSent: () => void
      const half = new Promise<void>((resolve) => {
        halfSent = resolve
      })
      front.fault = ({ url }, response) => {
        if (!isLayer(url)) return false
        response.writeHead(200, { 'content-length': bytes.length })
        response.write(bytes.subarray(0, bytes.length / 2), () => halfSent())
        return true
      }
      const run = start(['install', `${front.host}/${moon}:3.0.0`])
      await half
      await vi.waitFor(() => expect(everything().some((name) => name.endsWith('/layer'))).toBe(true), 10_000)
      run.process.kill('SIGKILL')
      expect(await run.ended).toBe('SIGKILL')
      expect(everything().filter((name) => !name.startsWith('.installing-'))).toEqual([])
      expect(everything()).not.toEqual([])
      front.fault = () => false
      expect((await install()).code).toBe(0)
      expect(readdirSync(plugins)).toEqual([front.host.replace(':', '!')])
    })

    test('stopped by a signal: it clears up after itself', async () => {
      front.fault = ({ url }, response) => {
        if (!isLayer(url)) return false
        response.writeHead(200, { 'content-length': 3_000_000 })
        response.write('x')
        return true
      }
      const run = start(['install', `${front.host}/${moon}:3.0.0`])
      await vi.waitFor(() => expect(everything().some((name) => name.endsWith('/layer'))).toBe(true), 10_000)
      run.process.kill('SIGTERM')
      expect(await run.ended).toBe(1)
      expect(run.stderr).toContain('stopped by SIGTERM')
      expect(everything()).toEqual([])
    })

    test('several at once do not disturb each other', async () => {
      const ended = await Promise.all([install(), install(), install()])
      expect(ended.map(({ code }) => code)).toEqual([0, 0, 0])
      expect(readdirSync(plugins)).toEqual([front.host.replace(':', '!')])
    })
  })
})

describe.skipIf(missing !== undefined)('a private registry', () => {
  let registry: DockerRegistry
  let host: string
  beforeAll(async () => {
    registry = await DockerRegistry.start({ isPrivate: true })
    host = `127.0.0.1:${registry.port}`
    await push(`http://${host}`, moon, { version: '1.0.0', files: { [here]: [program('private')] } })
  })
  afterAll(async () => await registry[Symbol.asyncDispose]())
  const install = (env: NodeJS.ProcessEnv = {}): Promise<Ended> => fleeting(['install', `${host}/${moon}:1.0.0`], env)
  const auth = Buffer.from(`${account.username}:${account.password}`).toString('base64')

  test('not without signing on, and after login it is installed', async () => {
    expect(await install()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`try: runner-core fleeting login ${host}`),
    })
    authFile({ HttpHeaders: { kept: 'as it is' }, auths: { 'other.example': { auth: 'b3RoZXI6b3RoZXI=' } } })
    const wrong = await fleeting(['login', host, '--username', 'ci', '--password', 'wrong'])
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('refused with the credentials') })
    expect(readFileSync(join(folder, '.docker/config.json'), 'utf8')).not.toContain(host)
    const right = await fleeting(['login', host, '--username', account.username, '--password', account.password])
    expect(right).toEqual({ code: 0, stdout: `logged in via ${join(folder, '.docker/config.json')}\n`, stderr: '' })
    expect(JSON.parse(readFileSync(join(folder, '.docker/config.json'), 'utf8'))).toEqual({
      HttpHeaders: { kept: 'as it is' },
      auths: { 'other.example': { auth: 'b3RoZXI6b3RoZXI=' }, [host]: { auth } },
    })
    expect(statSync(join(folder, '.docker/config.json')).mode & 0o777).toBe(0o600)
    expect((await install()).code).toBe(0)
  })

  test.each<[string, () => NodeJS.ProcessEnv]>([
    [
      'DOCKER_CONFIG',
      () => ({
        DOCKER_CONFIG: dirname(authFile({ auths: { [`https://${host}/v1/`]: { auth } } }, 'elsewhere/config.json')),
      }),
    ],
    [
      "Podman's file, by the repository",
      () => ({ REGISTRY_AUTH_FILE: authFile({ auths: { [`${host}/${moon}`]: { auth } } }, 'auth.json') }),
    ],
    [
      "Podman's usual file",
      () => ({
        XDG_RUNTIME_DIR: join(dirname(authFile({ auths: { [host]: { ...account } } }, 'containers/auth.json')), '..'),
      }),
    ],
  ])('credentials of %s', async (_, prepare) => {
    expect((await install(prepare())).code).toBe(0)
  })

  test('a credential helper is asked, and kept to', async () => {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    const kept = join(folder, 'kept')
    const helper = join(bin, 'docker-credential-test')
    writeFileSync(
      helper,
      `#!/bin/sh\ncase $1 in\nstore) cat > '${kept}' ;;\nget) [ -e '${kept}' ] && cat '${kept}' || { echo 'credentials not found in native keychain'; exit 1; } ;;\nesac\n`,
    )
    chmodSync(helper, 0o755)
    const env = { PATH: `${bin}:${process.env['PATH']}` }
    authFile({ credHelpers: { [host]: 'test' } })
    expect((await install(env)).code).toBe(1)
    const login = await fleeting(['login', host, '--username', account.username, '--password', account.password], env)
    expect(login).toMatchObject({ code: 0, stdout: 'logged in via docker-credential-test\n' })
    expect(readFileSync(join(folder, '.docker/config.json'), 'utf8')).not.toContain('auths')
    expect((await install(env)).code).toBe(0)
    expect((await fleeting(['list', `${host}/${moon}`])).stderr).toContain(
      'docker-credential-test failed: it is not on PATH',
    )
  })

  test('who is redirected to is not shown the credentials', async () => {
    authFile({ auths: {} })
    await using store = await startFaultyFront(registry.port)
    await using front = await startFaultyFront(registry.port)
    authFile({ auths: { [front.host]: { auth } } })
    front.fault = ({ url }, response) => {
      if (!url?.includes('/blobs/')) return false
      response.writeHead(307, { location: `http://${store.host}${url}` }).end()
      return true
    }
    store.fault = (request) => {
      // As a store of objects that knows by the address what may be had.
      request.headers.authorization = `Basic ${auth}`
      return false
    }
    expect((await fleeting(['install', `${front.host}/${moon}:1.0.0`])).code).toBe(0)
    expect(front.asked.at(-1)?.authorization).toBe(`Basic ${auth}`)
    expect(store.asked).toEqual([{ path: expect.stringContaining('/blobs/'), authorization: undefined }])
  })
})

describe.skipIf(missing !== undefined)('a registry over HTTPS, behind a proxy', () => {
  const tls = { certificate: tlsFile('server.pem'), key: tlsFile('server.key') }

  test('is reached through the proxy, if its authority is trusted', async () => {
    await using registry = await DockerRegistry.start({ tls })
    await using proxy = await startForwardProxy(registry.port)
    const env = { HTTPS_PROXY: proxy.url }
    const list = ['list', 'coordinator.test/acme/moon']
    expect(await fleeting(list, env)).toMatchObject({ code: 1, stderr: expect.stringContaining('certificate') })
    expect(await fleeting([...list, '--tls-ca-file', tlsFile('ca.pem')], env)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    expect(proxy.asked.at(-1)?.line).toBe('CONNECT coordinator.test:443')
  })

  test('one on another machine is not spoken to over HTTP, unless it is asked for', async () => {
    await using registry = await DockerRegistry.start()
    await using proxy = await startForwardProxy(registry.port)
    await push(`http://127.0.0.1:${registry.port}`, moon, { version: '1.0.0', files: { [here]: [program('plain')] } })
    const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
    const reference = `registry.test/${moon}:1.0.0`
    expect((await fleeting(['install', reference], env)).code).toBe(1)
    expect(proxy.asked.every(({ line }) => line === 'CONNECT registry.test:443')).toBe(true)
    expect((await fleeting(['install', reference, '--plain-http'], env)).stdout).toContain(
      directory('registry.test', '1.0.0'),
    )
  })
})

test.skipIf(missing !== undefined)(
  'tokens: fetched where the registry says, with the credentials, for what is asked for',
  async () => {
    const asked: {
      readonly query: Record<string, string>
      readonly authorization: string | undefined
      readonly form: string
    }[] = []
    const server = createServer((request, response) => {
      let form = ''
      request.on('data', (chunk: Buffer) => {
        form += chunk.toString()
      })
      request.on('end', () => {
        const query = Object.fromEntries(new URL(request.url!, 'http://x').searchParams)
        const { authorization } = request.headers
        asked.push({ query, authorization, form })
        const scope = query['scope'] ?? new URLSearchParams(form).get('scope') ?? ''
        const [type, name, actions] = scope.split(':')
        const access = authorization === undefined && form === '' ? [] : [{ type, name, actions: actions?.split(',') }]
        response.end(JSON.stringify({ [form === '' ? 'token' : 'access_token']: jwt(access) }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
      await using registry = await DockerRegistry.start({ tokens: { realm, certificate: tlsFile('ca.pem') } })
      const host = `127.0.0.1:${registry.port}`
      expect(await fleeting(['list', `${host}/${moon}`])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('needs a login'),
      })
      expect(asked.at(-1)).toEqual({
        query: { service: 'test registry', scope: `repository:${moon}:pull` },
        authorization: undefined,
        form: '',
      })

      authFile({ auths: { [host]: { username: 'ci', password: 'x' } } })
      expect(await fleeting(['list', `${host}/${moon}`])).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(asked.at(-1)?.authorization).toBe(`Basic ${Buffer.from('ci:x').toString('base64')}`)

      authFile({ auths: { [host]: { identitytoken: 'refresh me' } } })
      expect(await fleeting(['list', `${host}/${moon}`])).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(Object.fromEntries(new URLSearchParams(asked.at(-1)?.form))).toMatchObject({
        grant_type: 'refresh_token',
        refresh_token: 'refresh me',
        service: 'test registry',
      })
    } finally {
      server.close()
    }

    function jwt(access: readonly object[]): string {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const certificate = readFileSync(tlsFile('server.pem'), 'utf8').replaceAll(/-----[^-]+-----|\s/g, '')
      const now = Math.floor(Date.now() / 1000)
      const claims = {
        iss: 'test',
        aud: 'test registry',
        sub: 'ci',
        exp: now + 300,
        nbf: now - 60,
        iat: now,
        jti: 'x',
        access,
      }
      const text = `${part({ typ: 'JWT', alg: 'ES256', x5c: [certificate] })}.${part(claims)}`
      const key = createPrivateKey(readFileSync(tlsFile('server.key')))
      return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    }
  },
)
