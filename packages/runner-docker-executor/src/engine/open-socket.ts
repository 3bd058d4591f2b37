import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { DockerSettings } from '../settings/docker-settings.ts'
import { type EngineAddress, parseEngineAddress } from '../settings/engine-address.ts'
import type { OpenSocket } from './engine-connection.ts'
import { EngineError } from './engine-error.ts'

const defaultSocket = '/var/run/docker.sock'

/**
 * The way to the Engine that `executor = "docker"` uses: `host` of the configuration, else `DOCKER_HOST` of the
 * environment, else the socket of this machine. By TLS where `tls_verify` or `DOCKER_TLS_VERIFY` asks for it, or the
 * address does. Thrown, when it is called: `EngineError` `refused` for what cannot be used.
 */
export function openEngineSocket(
  { host, tlsCertPath, tlsVerify }: Pick<DockerSettings, 'host' | 'tlsCertPath' | 'tlsVerify'>,
  environment: NodeJS.ProcessEnv,
): OpenSocket {
  return async () => {
    const address = host ?? environmentAddress(environment) ?? { socketPath: defaultSocket }
    if ('socketPath' in address) return await connected(connect({ path: address.socketPath, allowHalfOpen: true }))
    const { hostname, port, isSecure } = address
    if (!isSecure && !tlsVerify && !environment['DOCKER_TLS_VERIFY'])
      return await connected(connect({ host: hostname, port, allowHalfOpen: true, keepAlive: true }))
    const directory = tlsCertPath ?? environment['DOCKER_CERT_PATH']
    // Its type leaves out what a command's standard input needs, which ends before its output does.
    const options: ConnectionOptions & { readonly allowHalfOpen: true } = {
      host: hostname,
      port,
      ...(isIP(hostname) === 0 && { servername: hostname }),
      allowHalfOpen: true,
      ...(directory !== undefined && {
        ca: readFileSync(join(directory, 'ca.pem')),
        cert: readFileSync(join(directory, 'cert.pem')),
        key: readFileSync(join(directory, 'key.pem')),
      }),
    }
    const socket = connectTls(options)
    socket.setKeepAlive(true)
    await once(socket, 'secureConnect')
    return socket
  }
}

function environmentAddress({ DOCKER_HOST: text }: NodeJS.ProcessEnv): EngineAddress | undefined {
  if (text === undefined || text === '') return undefined
  const address = parseEngineAddress(text)
  if (address !== undefined) return address
  throw new EngineError('refused', `DOCKER_HOST: expected unix:///path or tcp://host:port, got ${JSON.stringify(text)}`)
}

async function connected<Socket extends NodeJS.EventEmitter>(socket: Socket): Promise<Socket> {
  await once(socket, 'connect')
  return socket
}
