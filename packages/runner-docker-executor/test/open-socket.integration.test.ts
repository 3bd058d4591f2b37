import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { systemClock } from '@runner-core/fleeting'
import { hasEngine } from '@runner-core/testkit/containers/busybox-image'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { afterEach, describe, expect, test } from 'vitest'
import { Engine } from '../src/engine/engine.ts'
import { openEngineSocket } from '../src/engine/open-socket.ts'
import { JobRig } from './job-rig.ts'

const never = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** This machine's Engine at a port, by TLS to those that show a certificate, or without. */
async function startFront({ isSecure }: { readonly isSecure: boolean }): Promise<number> {
  const sockets = new Set<Socket>()
  const forward = (client: Socket): void => {
    const engine = connect({ path: engineSocket(), allowHalfOpen: true })
    for (const socket of [client, engine]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        engine.destroy()
      })
    }
    client.pipe(engine).pipe(client)
  }
  const read = (name: string): Buffer => readFileSync(tlsFile(name))
  const identity = { ca: read('ca.pem'), cert: read('server.pem'), key: read('server.key') }
  const server = isSecure
    ? createTlsServer({ ...identity, requestCert: true, rejectUnauthorized: true, allowHalfOpen: true }, forward)
    : createServer({ allowHalfOpen: true }, forward)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** A directory as `DOCKER_CERT_PATH` names one. */
function certificates(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'engine-certs-'))
  closing.push(() => rmSync(directory, { recursive: true }))
  for (const [name, from] of Object.entries(files)) copyFileSync(tlsFile(from), join(directory, name))
  return directory
}

const client = { 'ca.pem': 'ca.pem', 'cert.pem': 'client.pem', 'key.pem': 'client.key' }
const open = (environment: NodeJS.ProcessEnv) => openEngineSocket({ tlsVerify: false }, environment)
const ask = async (dial: () => ReturnType<ReturnType<typeof open>>): Promise<string> => {
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  engine.close()
  return engine.platform.os
}

describe.skipIf(!hasEngine)('the way to an Engine', () => {
  test('is by TLS where the environment or the configuration asks for it, and a whole job runs over it', async () => {
    const port = await startFront({ isSecure: true })
    const directory = certificates(client)
    const environment = {
      DOCKER_HOST: `tcp://127.0.0.1:${port}`,
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: directory,
    }
    await using rig = await JobRig.start({ open: open(environment) })
    const { outcome, trace } = await rig.run(payload({ script: ['echo one', 'exit 3'], afterScript: ['echo two'] }))
    expect(outcome, trace).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 3 })
    expect(trace).toContain('\none\n')
    expect(trace).toContain('\ntwo\n')
    const host = { hostname: '127.0.0.1', port, isSecure: false }
    const configured = { host, tlsVerify: true, tlsCertPath: directory }
    await expect(ask(openEngineSocket(configured, {}))).resolves.toBe('linux')
  })

  test('is refused to an Engine of an authority that nobody knows, and by one that wants a certificate', async () => {
    const port = await startFront({ isSecure: true })
    const secure = { DOCKER_HOST: `https://127.0.0.1:${port}` }
    await expect(ask(open(secure))).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/certificate|issuer/),
    })
    const foreign = certificates({ ...client, 'cert.pem': 'server.pem' })
    await expect(ask(open({ ...secure, DOCKER_CERT_PATH: foreign }))).rejects.toThrow(/key values mismatch|unreachable/)
    await expect(ask(open({ DOCKER_HOST: `tcp://127.0.0.1:${port}` }))).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('is a port without TLS where nothing asks for it, and this machine where nothing is said', async () => {
    const port = await startFront({ isSecure: false })
    await expect(ask(open({ DOCKER_HOST: `tcp://127.0.0.1:${port}` }))).resolves.toBe('linux')
    await expect(ask(open({}))).resolves.toBe('linux')
    await expect(ask(open({ DOCKER_HOST: 'ssh://somewhere' }))).rejects.toThrow('DOCKER_HOST: expected unix:///path')
  })
})
