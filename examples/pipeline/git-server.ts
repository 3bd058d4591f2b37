import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface GitServerOptions {
  /** Directory of the bare repositories. */
  readonly root: string
  /** Address to listen on. */
  readonly host: string
  /** Whether this is the password of somebody who may read. */
  readonly accepts: (token: string) => boolean
}

/** Serves repositories by smart HTTP, with git's own back end, to whoever logs in as GitLab's jobs do. */
export class GitServer implements AsyncDisposable {
  readonly url: string
  readonly #close: () => Promise<void>

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url
    this.#close = close
  }

  /** Listens on a free port. */
  static async start({ root, host, accepts }: GitServerOptions): Promise<GitServer> {
    const server = createServer((request, response) => {
      const login = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()
      if (login.startsWith('gitlab-ci-token:') && accepts(login.slice('gitlab-ci-token:'.length)))
        answer(root, request, response)
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
    })
    server.listen(0, host)
    await once(server, 'listening')
    return new GitServer(`http://${host}:${(server.address() as AddressInfo).port}`, async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}

/** CGI: the request is in the environment and on the standard input; the answer's head comes before its body. */
function answer(root: string, request: IncomingMessage, response: ServerResponse): void {
  const [path, query = ''] = (request.url ?? '/').split('?')
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: request.headers['git-protocol']?.toString(),
    },
  })
  backend.on('error', (error) => response.destroy(error))
  // A back end that needs no more of the request closes its input.
  backend.stdin.on('error', () => {})
  request.pipe(backend.stdin)
  let head = Buffer.alloc(0)
  const readHead = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    backend.stdout.off('data', readHead)
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/s)
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.write(head.subarray(end + 4))
    backend.stdout.pipe(response)
  }
  backend.stdout.on('data', readHead)
}
