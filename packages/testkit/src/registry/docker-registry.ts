// A registry process: Debian's package docker-registry, which is distribution.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RegistrySettings {
  /** Where it listens. Default 127.0.0.1, where an Engine asks for no certificate. */
  readonly address?: string
  /** A name and password are asked for: `ci` and `pass:word`. */
  readonly isPrivate?: boolean
  /** PEM files: it speaks HTTPS. */
  readonly tls?: { readonly certificate: string; readonly key: string }
  /** Tokens are asked for, of this realm, signed by a key whose certificate is in the file. */
  readonly tokens?: { readonly realm: string; readonly certificate: string }
}

/** Of the password, by bcrypt, which is all that a registry takes. */
const passwordHash = '$2a$04$hhvIFjYcoaHO7bgum/o3ReAYlBEMDNDHS/gkmVUeGcfFiFdNgykxi'
export const account = { username: 'ci', password: 'pass:word' } as const

/** Why there is none to start; undefined when there is one. */
export function registryMissing(): string | undefined {
  return spawnSync('docker-registry', ['--version']).error === undefined
    ? undefined
    : 'there is no docker-registry (apt-get install docker-registry)'
}

export class DockerRegistry {
  readonly port: number
  /** Address and port, as in the name of an image. */
  readonly host: string
  readonly #directory: string
  readonly #process: ChildProcess

  private constructor(address: string, port: number, directory: string, process: ChildProcess) {
    this.port = port
    this.host = `${address}:${port}`
    this.#directory = directory
    this.#process = process
  }

  static async start({
    address = '127.0.0.1',
    isPrivate = false,
    tls,
    tokens,
  }: RegistrySettings = {}): Promise<DockerRegistry> {
    const directory = mkdtempSync(join(tmpdir(), 'registry-'))
    const port = await freePort(address)
    mkdirSync(join(directory, 'storage'))
    writeFileSync(join(directory, 'htpasswd'), `${account.username}:${passwordHash}\n`)
    const config = {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
      http: {
        addr: `${address}:${port}`,
        secret: 'test',
        ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }),
      },
      ...(isPrivate && { auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } } }),
      ...(tokens && {
        auth: {
          token: { realm: tokens.realm, service: 'test registry', issuer: 'test', rootcertbundle: tokens.certificate },
        },
      }),
    }
    // JSON is YAML.
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(config))
    const process = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    process.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const ended = new Promise<never>((_, reject) =>
      process.on('close', () => reject(new Error(`docker-registry ended: ${said}`))),
    )
    ended.catch(() => {})
    await Promise.race([answers(address, port), ended])
    return new DockerRegistry(address, port, directory, process)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#process.on('close', resolve))
    this.#process.kill('SIGKILL')
    await closed
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

async function freePort(address: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Whatever it says: one that wants HTTPS answers 400. */
async function answers(address: string, port: number): Promise<void> {
  for (;;) {
    const answered = await fetch(`http://${address}:${port}/v2/`).then(
      () => true,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
