// A whole plugin for an imaginary cloud, "Acme", that has an HTTP API. This is all that a plugin author writes.
import {
  asGroupError,
  ConfigTable,
  type CreateInstanceGroup,
  GroupError,
  type GroupErrorCode,
  type InstanceState,
  type ListedInstance,
  readRetryAfter,
} from '@runner-core/fleeting'

interface AcmeVm {
  readonly id: string
  readonly status: string
  readonly token: string
  readonly ssh?: { readonly address: string; readonly user: string; readonly key: string; readonly hostKey: string }
}

const states: Record<string, InstanceState> = {
  booting: 'creating',
  up: 'running',
  stopping: 'deleting',
  broken: 'failed',
}
const codes: Record<number, GroupErrorCode> = {
  401: 'auth',
  403: 'auth',
  404: 'not_found',
  409: 'conflict',
  422: 'invalid_config',
  429: 'throttled',
  507: 'capacity',
}

export const createInstanceGroup: CreateInstanceGroup = (config, { fleet, connector, clock }) => {
  const table = new ConfigTable(config)
  const endpoint = table.url('endpoint') ?? ''
  const maxSize = table.integer('size', { min: 1 }) ?? 10
  if (!table.has('endpoint')) table.problem('endpoint', 'a URL')
  table.check() // throws every problem at once, unknown keys included

  async function call<T>(method: string, path: string, signal: AbortSignal, body?: object): Promise<T> {
    const answer = await fetch(endpoint + path, {
      method,
      signal,
      body: body === undefined ? null : JSON.stringify(body),
    })
    if (answer.ok) return (await answer.json()) as T
    const retryAfterMs = readRetryAfter(answer.headers.get('retry-after'), clock.wallTime())
    const hint = retryAfterMs === undefined ? {} : { retryAfterMs }
    throw new GroupError(
      codes[answer.status] ?? 'transient',
      `${method} ${path}: ${answer.status} ${await answer.text()}`,
      hint,
    )
  }
  const vms = (signal: AbortSignal): Promise<AcmeVm[]> => call('GET', `/vms?fleet=${encodeURIComponent(fleet)}`, signal)

  return {
    async init(signal) {
      await vms(signal) // proves that the endpoint and the credentials work
      return { id: `acme/${new URL(endpoint).host}`, maxSize, version: '1.0.0' }
    },
    async list(signal) {
      return (await vms(signal)).map(
        ({ id, status, token }): ListedInstance => ({
          id,
          state: states[status] ?? 'unknown',
          detail: status,
          launchToken: token,
        }),
      )
    },
    async increase({ count, launchToken }, signal) {
      const room = Math.max(0, maxSize - (await vms(signal)).length)
      const wanted = Math.min(count, room)
      const made = await call<AcmeVm[]>('POST', '/vms', signal, { count: wanted, token: launchToken, fleet })
      const errors =
        wanted < count ? [new GroupError('quota', `room for ${room} more of ${maxSize}, asked for ${count}`)] : []
      return { requested: made.length, ids: made.map(({ id }) => id), errors }
    },
    async decrease(ids, signal) {
      signal.throwIfAborted()
      const errors: GroupError[] = []
      const remove = async (id: string): Promise<void> => {
        try {
          await call('DELETE', `/vms/${id}`, signal)
        } catch (cause) {
          signal.throwIfAborted()
          const { code, message, retryAfterMs } = asGroupError(cause)
          const hint = retryAfterMs === undefined ? {} : { retryAfterMs }
          if (code !== 'not_found') errors.push(new GroupError(code, message, { instanceId: id, cause, ...hint }))
        }
      }
      await Promise.all(ids.map(remove))
      return { accepted: ids.filter((id) => !errors.some(({ instanceId }) => instanceId === id)), errors }
    },
    async connectInfo(id, signal) {
      const { ssh } = await call<AcmeVm>('GET', `/vms/${id}`, signal)
      if (ssh === undefined) throw new GroupError('not_ready', `vm ${id} has no address yet`, { instanceId: id })
      const { address, user, key, hostKey } = ssh
      return {
        instanceId: id,
        protocol: 'ssh',
        internalAddress: address,
        username: connector.username ?? user,
        privateKey: connector.privateKey ?? key,
        hostKeys: [hostKey],
      }
    },
    async shutdown() {},
  }
}
