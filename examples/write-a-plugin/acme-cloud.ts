// The imaginary cloud: an HTTP API whose machines are real SSH servers on this computer, made by the `local` plugin.
// Only the example needs it; a real plugin has a fake of its cloud here, or nothing.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ConnectInfo, isGroupError, silentLogger, systemClock } from '@runner-core/fleeting'
import type {
  CloudCall,
  CloudControls,
  CloudFault,
  CloudFaultKind,
  CreateConformanceCloud,
  FaultyCall,
} from '@runner-core/fleeting/testing'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'

const statusOf: Record<string, string> = { creating: 'booting', running: 'up', deleting: 'stopping', failed: 'broken' }
const answerTo: Partial<Record<CloudFaultKind, number>> = {
  auth: 401,
  conflict: 409,
  invalid_config: 422,
  throttled: 429,
  server_error: 500,
  capacity: 507,
}

/**
 * For `fleeting conformance --cloud ./acme-cloud.ts`: starts the cloud, tells the plugin where it is, and gives the
 * suite its controls.
 */
export const createConformanceCloud: CreateConformanceCloud = async () => {
  const machines = createInstanceGroup(
    {},
    { fleet: 'acme', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random },
  )
  const never = new AbortController().signal
  await machines.init(never)
  const launches = new Map<string, Promise<readonly string[]>>()
  const existing = new Set<string>()
  const forcedStatus = new Map<string, string>()
  const calls: CloudCall[] = []
  let faults: { readonly fault: CloudFault; left: number }[] = []

  async function launch(count: number, launchToken: string): Promise<readonly string[]> {
    const { ids = [] } = await machines.increase({ count, launchToken }, never)
    for (const id of ids) existing.add(id)
    return ids
  }

  function remove(id: string): Promise<unknown> {
    existing.delete(id)
    forcedStatus.delete(id)
    return machines.decrease([id], never)
  }

  async function answer(
    method: string,
    id: string | undefined,
    body: { count?: number; token?: string },
  ): Promise<unknown> {
    if (method === 'POST') {
      const { count = 0, token = '' } = body
      if (count === 0) return []
      // The same token asked again answers the same machines: a lost answer costs nothing.
      const made = launches.get(token) ?? launch(count, token)
      launches.set(token, made)
      return (await made).map((each) => ({ id: each, status: 'booting', token }))
    }
    const listed = (await machines.list(never)).map(({ id: known, state, launchToken }) => ({
      id: known,
      status: forcedStatus.get(known) ?? statusOf[state],
      token: launchToken,
    }))
    if (id === undefined) return listed
    const vm = listed.find((row) => row.id === id)
    if (vm === undefined) return undefined
    if (method === 'DELETE') return remove(id)
    return { ...vm, ssh: await access(id) }
  }

  async function access(id: string): Promise<object | undefined> {
    const info: ConnectInfo | undefined = await machines.connectInfo(id, never).catch((error: unknown) => {
      if (isGroupError(error) && error.code === 'not_ready') return undefined
      throw error
    })
    return (
      info && { address: info.internalAddress, user: info.username, key: info.privateKey, hostKey: info.hostKeys?.[0] }
    )
  }

  function takeFault(on: FaultyCall): CloudFault | undefined {
    const entry = faults.find(({ fault, left }) => fault.on === on && left > 0)
    if (entry !== undefined) entry.left -= 1
    return entry?.fault
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '' } = request
    const [, , id] = new URL(url, 'http://acme').pathname.split('/')
    const body = JSON.parse((await text(request)) || '{}') as object
    const on =
      method === 'POST' ? 'increase' : method === 'DELETE' ? 'decrease' : id === undefined ? 'list' : 'connectInfo'
    const fault = takeFault(on)
    const note = (status: number): number =>
      calls.push({ operation: `${method} vms`, bucket: 'acme', cost: 1, at: systemClock.now(), status })
    if (fault?.kind === 'hang') return void note(0)
    if (fault?.kind === 'lost_answer') await answer(method, id, body)
    if (fault?.kind === 'lost_answer' || fault?.kind === 'reset') {
      note(0)
      return void request.socket.resetAndDestroy()
    }
    const result = fault ?? (await answer(method, id, body).catch((error: unknown) => error))
    const status = (fault && answerTo[fault.kind]) ?? (result === undefined ? 404 : result instanceof Error ? 500 : 200)
    note(status)
    if (fault?.retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(fault.retryAfterMs / 1000))
    response.writeHead(status).end(JSON.stringify(result instanceof Error ? result.message : (result ?? 'no such vm')))
  }

  const controls: CloudControls = {
    inject: (fault) => void faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    heal: () => {
      faults = []
    },
    unable: new Set(['quota']),
    saysRetryAfter: true,
    calls: () => calls,
    states: new Map([
      ['booting', ['creating']],
      ['up', ['running']],
      ['stopping', ['deleting']],
      ['broken', ['failed']],
    ]),
    setState: (id, word) => void forcedStatus.set(id, word),
    addForeign: async () => (await launch(1, 'by-hand'))[0] as string,
    kill: async (id) => void (await remove(id)),
    machines: () => [...existing],
  }

  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    pluginConfig: { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    controls,
    options: { pollMs: 20 },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await machines.decrease([...existing], never)
      await machines.shutdown()
    },
  }
}
