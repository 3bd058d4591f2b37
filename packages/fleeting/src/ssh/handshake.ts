import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { AuthHandlerMiddleware, Client } from 'ssh2'
import { ConnectionError } from '../contract/errors.ts'
import { allowedMacs, preferredAlgorithms } from './algorithms.ts'
import { gatherWrites } from './gather-writes.ts'
import { hostKeyMismatch } from './host-keys.ts'
import type { Login } from './login.ts'
import { ssh2 } from './ssh2.ts'
import { prepareKeys } from './ssh2-internals.ts'

export interface HandshakeOptions {
  /** Connected. It is the caller's to destroy when the handshake fails. */
  readonly socket: Duplex
  readonly login: Login
  /** The host keys of which one must be shown; none: any. */
  readonly expectedHostKeys: readonly Buffer[]
  /** Whether algorithms with SHA-1 may be used. */
  readonly allowsWeak: boolean
  readonly signal: AbortSignal
}

/** A client that is logged in, and the host key that the machine showed. */
export interface LoggedIn {
  readonly client: Client
  readonly hostKey: Buffer
}

/**
 * Speaks SSH on a connected socket until the login has succeeded. Thrown: `ConnectionError` (`host_key_mismatch`,
 * `refused_credentials`, `unreachable` when no algorithm is shared) for what another try cannot mend; any other error
 * is worth one, an early close above all: `MaxStartups` drops connections so.
 */
export function handshake({
  socket,
  login,
  expectedHostKeys,
  allowsWeak,
  signal,
}: HandshakeOptions): Promise<LoggedIn> {
  return new Promise((resolve, reject) => {
    const { Client: SshClient } = ssh2()
    const client = new SshClient()
    let hostKey: Buffer | undefined
    let agentError: Error | undefined
    const fail = (reason: unknown): void => {
      settle()
      reject(reason)
    }
    const onAbort = (): void => fail(signal.reason)
    const onClose = (): void => fail(new Error('the instance closed the connection during the SSH handshake'))
    const onError = (error: ClientError): void => {
      // The client goes on with the next method.
      if (error.level === 'agent') agentError = error
      else if (hostKey !== undefined && !isExpected(hostKey, expectedHostKeys))
        fail(hostKeyMismatch(expectedHostKeys, hostKey))
      else fail(finalError(error, login, agentError, allowsWeak) ?? error)
    }
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      client.removeListener('close', onClose).removeListener('error', onError)
    }

    // An error event without a listener would end the process; whoever takes the client over adds a real one.
    client.on('error', () => {})
    client.on('handshake', () => prepareKeys(client))
    if (signal.aborted) return onAbort()
    if (socket.destroyed) return onClose()
    signal.addEventListener('abort', onAbort, { once: true })
    client.on('close', onClose).on('error', onError)
    client.once('ready', () => {
      settle()
      resolve({ client, hostKey: hostKey! })
    })

    if (socket instanceof Socket) {
      // Nagle's algorithm would cost up to 100 ms for each command.
      socket.setNoDelay(true)
      gatherWrites(socket)
    }
    client.connect({
      sock: socket,
      username: login.username,
      authHandler: tryInOrder(login),
      hostVerifier: (shown: Buffer): boolean => {
        hostKey = shown
        return isExpected(shown, expectedHostKeys)
      },
      algorithms: { serverHostKey: preferredAlgorithms(expectedHostKeys, allowsWeak), hmac: allowedMacs(allowsWeak) },
      strictVendor: false,
      // Time limits are the caller's, on its own clock.
      readyTimeout: 0,
      keepaliveInterval: 0,
    })
  })
}

interface ClientError extends Error {
  readonly level?: string
  readonly code?: unknown
}

function isExpected(shown: Buffer, expected: readonly Buffer[]): boolean {
  return expected.length === 0 || expected.some((key) => key.equals(shown))
}

/** Each method once, those only that the server offers, so that its limit of tries is not spent on others. */
function tryInOrder({ methods }: Login): AuthHandlerMiddleware {
  const left = [...methods]
  return (offered: readonly string[] | null) => {
    for (let method = left.shift(); method !== undefined; method = left.shift()) {
      const wireName = method.type === 'agent' ? 'publickey' : method.type
      if (offered === null || offered.includes(wireName)) return method
    }
    return false
  }
}

function finalError(
  error: ClientError,
  { username, methods }: Login,
  agentError: Error | undefined,
  allowsWeak: boolean,
): ConnectionError | undefined {
  const noMoreMethods = 14
  if (
    error.level === 'client-authentication' ||
    error.code === noMoreMethods ||
    /too many authentication failures/i.test(error.message)
  ) {
    const tried = [...new Set(methods.map((method) => method.type))].join(', ')
    const agent = agentError === undefined ? '' : `; agent: ${agentError.message}`
    return new ConnectionError('refused_credentials', `the instance rejected user ${username} (${tried}${agent})`, {
      cause: error,
    })
  }
  if (/no matching/.test(error.message)) {
    const hint = allowsWeak
      ? ''
      : '; weak_algorithms = true in connector_config allows ssh-rsa and hmac-sha1, which need SHA-1'
    return new ConnectionError('unreachable', `${error.message}${hint}`, { cause: error })
  }
  return undefined
}
