import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as grpc from '@grpc/grpc-js'
import { environmentNames, type Handshake } from '../wire/handshake.ts'

export interface Listening {
  readonly handshake: Pick<Handshake, 'network' | 'address'>
  /** Removes what was made for it. */
  readonly release: () => void
}

/** The name of a socket's file may have 103 bytes on every platform. */
const longestDirectory = 80
const defaultPorts = { min: 10_000, max: 25_000 }

/**
 * Where go-plugin's plugins listen: a socket in a directory that only this user can enter; on Windows the first free
 * port of the host's range. Thrown: why it cannot.
 */
export async function listen(
  server: grpc.Server,
  credentials: grpc.ServerCredentials,
  environment: NodeJS.ProcessEnv,
): Promise<Listening> {
  if (process.platform === 'win32') return await listenOnPort(server, credentials, environment)
  const wanted = join(environment[environmentNames.socketDirectory] || tmpdir(), 'plugin')
  const directory = mkdtempSync(wanted.length > longestDirectory && existsSync('/tmp') ? '/tmp/plugin' : wanted)
  chmodSync(directory, 0o700)
  const release = (): void => rmSync(directory, { recursive: true, force: true })
  const address = join(directory, 'socket')
  try {
    await bind(server, `unix:${address}`, credentials)
  } catch (error) {
    release()
    throw error
  }
  return { handshake: { network: 'unix', address }, release }
}

async function listenOnPort(
  server: grpc.Server,
  credentials: grpc.ServerCredentials,
  environment: NodeJS.ProcessEnv,
): Promise<Listening> {
  const min = Number(environment[environmentNames.minPort]) || defaultPorts.min
  const max = Number(environment[environmentNames.maxPort]) || defaultPorts.max
  for (let port = min; ; port += 1) {
    try {
      await bind(server, `127.0.0.1:${port}`, credentials)
      return { handshake: { network: 'tcp', address: `127.0.0.1:${port}` }, release: () => {} }
    } catch (error) {
      if (port >= max) throw error
    }
  }
}

function bind(server: grpc.Server, address: string, credentials: grpc.ServerCredentials): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error) => (error === null ? resolve() : reject(error)))
  })
}
