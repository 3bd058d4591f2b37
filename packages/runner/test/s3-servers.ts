import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cloudsPython, Moto, withoutPython } from '@runner-core/testkit/clouds/moto'

/** A server that speaks S3, with an empty bucket. */
export interface S3Server extends AsyncDisposable {
  /** `host:port` */
  readonly address: string
  readonly bucket: string
  readonly accessKey: string
  readonly secretKey: string
}

export interface S3ServerKind {
  readonly name: string
  /** Stands after the name of what is skipped for want of it; empty: it is there. */
  readonly missing: string
  readonly start: () => Promise<S3Server>
}

/** versitygw, whose program `npm run test:clouds` builds where Go is there. */
const gateway = process.env['CLOUDS_S3_SERVER']
const bucket = 'caches'

export const s3Servers: readonly S3ServerKind[] = [
  { name: 'moto', missing: withoutPython, start: startMoto },
  {
    name: 'versitygw',
    missing: gateway === undefined ? ' (SKIPPED: CLOUDS_S3_SERVER is not set, the program versitygw)' : '',
    start: startGateway,
  },
]

/** Takes any key, and checks no signature. */
async function startMoto(): Promise<S3Server> {
  const moto = await Moto.start(cloudsPython!)
  const { status } = await fetch(`${moto.url}/${bucket}`, {
    method: 'PUT',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request' },
  })
  if (status !== 200) throw new Error(`moto makes no bucket: ${status}`)
  return {
    address: new URL(moto.url).host,
    bucket,
    accessKey: 'test',
    secretKey: 'moto-checks-no-key',
    [Symbol.asyncDispose]: () => moto[Symbol.asyncDispose](),
  }
}

/** Keeps objects as files, and checks signatures as S3 does. */
async function startGateway(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'runner-core-s3-'))
  mkdirSync(join(directory, 'data', bucket), { recursive: true })
  mkdirSync(join(directory, 'attributes'))
  const [accessKey, secretKey] = ['runner-access', 'runner-secret/with+signs']
  const port = await freePort()
  const env = {
    PATH: process.env['PATH'],
    VGW_PROGRAM: gateway,
    ROOT_ACCESS_KEY: accessKey,
    ROOT_SECRET_KEY: secretKey,
  }
  // It ends when its input does: it must not outlive the test, however that ends.
  const script = '"$VGW_PROGRAM" "$@" >/dev/null 2>&1 & cat >/dev/null; kill $!; wait $!'
  const args = [
    '--port',
    `127.0.0.1:${port}`,
    'posix',
    '--sidecar',
    join(directory, 'attributes'),
    join(directory, 'data'),
  ]
  const server = spawn('sh', ['-c', `exec 3<&0; { ${script.replace('cat >', 'cat <&3 >')}; }`, 'sh', ...args], {
    env,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = once(server, 'exit')
  const isUp = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ status }) => status === 403,
      () => false,
    )
  for (let tries = 0; !(await isUp()); tries++) {
    if (tries > 200) throw new Error('versitygw does not answer')
    await sleep(50)
  }
  return {
    address: `127.0.0.1:${port}`,
    bucket,
    accessKey,
    secretKey,
    async [Symbol.asyncDispose]() {
      server.stdin.end()
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
