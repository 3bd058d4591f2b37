// The imaginary cloud: an HTTP API whose machines are real SSH servers on this computer, made by the `local` plugin. Only the example needs it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ConnectInfo, isGroupError, silentLogger, systemClock } from '@runner-core/fleeting'
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'

export interface AcmeCloud extends AsyncDisposable {
  readonly endpoint: string
}

const statusOf: Record<string, string> = { creating: 'booting', running: 'up', deleting: 'stopping', failed: 'broken' }

/** For `fleeting conformance --cloud ./acme-cloud.ts`. */
export const createConformanceCloud: CreateConformanceCloud = async () => {
  const cloud = await startAcmeCloud()
  return { ...cloud, pluginConfig: { endpoint: cloud.endpoint }, options: { pollMs: 20 } }
}

export async function startAcmeCloud(): Promise<AcmeCloud> {
  const machines = createInstanceGroup({}, { fleet: 'acme', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random })
  const never = new AbortController().signal
  await machines.init(never)
  const launches = new Map<string, Promise<readonly string[]>>()

  async function answer(method: string, id: string | undefined, body: { count?: number; token?: string }): Promise<unknown> {
    if (method === 'POST') {
      const { count = 0, token = '' } = body
      if (count === 0) return []
      // The same token asked again answers the same machines: a lost answer costs nothing.
      const launch = launches.get(token) ?? machines.increase({ count, launchToken: token }, never).then(({ ids = [] }) => ids)
      launches.set(token, launch)
      return (await launch).map((made) => ({ id: made, status: 'booting', token }))
    }
    const listed = (await machines.list(never)).map(({ id: known, state, launchToken }) => ({
      id: known,
      status: statusOf[state] ?? state,
      token: launchToken,
    }))
    if (id === undefined) return listed
    const vm = listed.find((row) => row.id === id)
    if (vm === undefined) return undefined
    if (method === 'DELETE') return machines.decrease([id], never)
    return { ...vm, ssh: await access(id) }
  }

  async function access(id: string): Promise<object | undefined> {
    const info: ConnectInfo | undefined = await machines.connectInfo(id, never).catch((error: unknown) => {
      if (isGroupError(error) && error.code === 'not_ready') return undefined
      throw error
    })
    return info && { address: info.internalAddress, user: info.username, key: info.privateKey, hostKey: info.hostKeys?.[0] }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, , id] = new URL(request.url ?? '', 'http://acme').pathname.split('/')
    const result = await answer(request.method ?? 'GET', id, JSON.parse((await read(request)) || '{}')).catch((error: unknown) => error)
    const status = result === undefined ? 404 : result instanceof Error ? 500 : 200
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify(result instanceof Error ? result.message : (result ?? 'no such vm')))
  }
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      const left = await machines.list(never)
      await machines.decrease(
        left.map(({ id }) => id),
        never,
      )
      await machines.shutdown()
    },
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
