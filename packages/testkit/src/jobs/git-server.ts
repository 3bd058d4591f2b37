import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'

const git = spawnSync('git', ['--exec-path'], { encoding: 'utf8' })

export const hasGit: boolean = git.status === 0
const httpBackend = hasGit ? join(git.stdout.trim(), 'git-http-backend') : ''
export const hasLfs: boolean = spawnSync('git-lfs', ['version']).status === 0
export const hasHttpBackend: boolean = existsSync(httpBackend)

export interface TestRepositoryOptions {
  /** A directory that holds other repositories too, which whoever made it removes. Default: one of its own. */
  readonly root?: string
  /** Default: `project`. */
  readonly name?: string
  readonly objectFormat?: 'sha1' | 'sha256'
}

/** A bare repository with one commit a call, for tests. */
export class TestRepository {
  readonly root: string
  readonly #name: string
  readonly #work: string

  constructor({ root, name = 'project', objectFormat = 'sha1' }: TestRepositoryOptions = {}) {
    this.root = root ?? mkdtempSync(join(tmpdir(), 'runner-core-git-test-'))
    this.#name = name
    this.#work = join(this.root, `${name}-work`)
    this.#git('init', '-q', '--bare', '-b', 'main', `--object-format=${objectFormat}`, join(this.root, `${name}.git`))
    // What is cloned from an empty repository has not its format.
    this.#git('init', '-q', `--object-format=${objectFormat}`, this.#work)
    this.#git('-C', this.#work, 'remote', 'add', 'origin', join(this.root, `${name}.git`))
  }

  get url(): string {
    return `file://${this.root}/${this.#name}.git`
  }

  /** Commits to main that `directory` is at `commit` of the repository at `url`; returns the commit. */
  link(directory: string, url: string, commit: string): string {
    const modules = ['config', '-f', join(this.#work, '.gitmodules')]
    this.#git(...modules, `submodule.${directory}.path`, directory)
    this.#git(...modules, `submodule.${directory}.url`, url)
    // Were it missing, `git add` would take the submodule out again.
    mkdirSync(join(this.#work, directory), { recursive: true })
    this.#git('-C', this.#work, 'update-index', '--add', '--cacheinfo', `160000,${commit},${directory}`)
    return this.commit('linked', `${directory} at ${commit}`)
  }

  /** Commits a file to main; returns the commit. */
  commit(file: string, content: string): string {
    writeFileSync(join(this.#work, file), content)
    const inWork = ['-C', this.#work, '-c', 'user.name=T', '-c', 'user.email=t@example.invalid']
    this.#git(...inWork, 'add', '.')
    this.#git(...inWork, 'commit', '-q', '-m', content)
    this.#git(...inWork, 'push', '-q', 'origin', 'HEAD:main')
    return this.#git(...inWork, 'rev-parse', 'HEAD')
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }

  #git(...args: string[]): string {
    // A machine's own settings, such as LFS's filters, are none of its business.
    const env = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env }).trim()
  }
}

export interface GitServerOptions {
  /** By https with these. Default: by http. */
  readonly tls?: {
    readonly cert: string
    readonly key: string
    readonly ca?: string
    /** True: only clients with a certificate that `ca` signed are served. */
    readonly requestCert?: boolean
  }
  /** So many packs end in the middle, with their connection; those after them are whole. Default: none. */
  readonly tornPacks?: number
  /** Contents of files. Default: none. */
  readonly lfsObjects?: readonly string[]
}

/** What a repository holds in place of a file whose content LFS keeps. */
export function lfsPointer(content: string): string {
  const { oid, size } = lfsIdentity(content)
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`
}

function lfsIdentity(content: string): { readonly oid: string; readonly size: number } {
  return { oid: createHash('sha256').update(content).digest('hex'), size: Buffer.byteLength(content) }
}

/**
 * Serves a repository by smart HTTP, with git's own back end, to whoever logs in with `token` as the password; and the
 * objects that LFS keeps for any of them.
 */
export async function serveGit(
  repository: TestRepository,
  token: string,
  { tls, tornPacks = 0, lfsObjects = [] }: GitServerOptions = {},
): Promise<{ readonly host: string; close(): void }> {
  const expected = `Basic ${Buffer.from(`gitlab-ci-token:${token}`).toString('base64')}`
  let torn = 0
  const handle: RequestListener = (request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    const url = new URL(request.url ?? '/', `${tls === undefined ? 'http' : 'https'}://${request.headers.host}`)
    if (url.pathname.endsWith('/info/lfs/objects/batch')) {
      response.setHeader('content-type', 'application/vnd.git-lfs+json')
      void answerBatch(request, url.origin, lfsObjects).then((answer) => response.end(JSON.stringify(answer)))
      return
    }
    const object = lfsObjects.find((content) => url.pathname === `/lfs/${lfsIdentity(content).oid}`)
    if (object !== undefined) {
      response.end(object)
      return
    }
    const child = spawn(httpBackend, {
      env: {
        GIT_PROJECT_ROOT: repository.root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method ?? '',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
    })
    request.pipe(child.stdin)
    const send = (body: Buffer): void => {
      if (response.destroyed || body.length === 0) return
      const pack = torn < tornPacks ? body.indexOf('PACK') : -1
      if (pack < 0) return void response.write(body)
      torn++
      response.write(body.subarray(0, pack + 8), () => response.destroy())
    }
    let answer = Buffer.alloc(0)
    let hasHead = false
    child.stdout.on('data', (chunk: Buffer) => {
      if (hasHead) return send(chunk)
      answer = Buffer.concat([answer, chunk])
      const end = answer.indexOf('\r\n\r\n')
      if (end < 0) return
      hasHead = true
      const head = answer.toString('latin1', 0, end).split('\r\n')
      const status = head.find((line) => line.startsWith('Status: '))?.slice(8, 11)
      for (const line of head.filter((line) => !line.startsWith('Status: ')))
        response.appendHeader(...(line.split(/: (.*)/s, 2) as [string, string]))
      response.statusCode = Number(status ?? 200)
      send(answer.subarray(end + 4))
    })
    child.on('close', () => response.end())
  }
  const server = tls === undefined ? createServer(handle) : createSecureServer(tls, handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() }
}

/** LFS's answer to who asks where objects are. */
async function answerBatch(request: IncomingMessage, origin: string, contents: readonly string[]): Promise<unknown> {
  const { objects } = (await json(request)) as {
    readonly objects: readonly { readonly oid: string; readonly size: number }[]
  }
  const there = new Set(contents.map((content) => lfsIdentity(content).oid))
  const answers = objects.map((object) => ({
    ...object,
    ...(there.has(object.oid)
      ? { actions: { download: { href: `${origin}/lfs/${object.oid}` } } }
      : { error: { code: 404, message: 'no such object' } }),
  }))
  return { transfer: 'basic', objects: answers }
}
