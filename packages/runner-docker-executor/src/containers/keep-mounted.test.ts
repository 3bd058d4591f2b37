import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import { afterEach, expect, test } from 'vitest'
import { Engine } from '../engine/engine.ts'
import { keepMounted } from './keep-mounted.ts'

const never = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})

test.each([
  ['Podman Engine', 200, ['POST /v4.0.0/libpod/containers/a/mount']],
  ['Podman Engine', 404, ['POST /v4.0.0/libpod/containers/a/mount']],
  ['Engine', 200, []],
])(
  'a container is mounted for as long as it is there where the Engine is Podman: %s, %i',
  async (Name, status, expected) => {
    const asked: string[] = []
    const server = createServer(({ method, url }, response) => {
      if (url === '/version') return void response.end(JSON.stringify({ ApiVersion: '1.41', Components: [{ Name }] }))
      asked.push(`${method} ${url}`)
      response.writeHead(status).end('"/a"')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
    const engine = await Engine.open({ dial, clock: systemClock, signal: never })
    closing.push(() => {
      engine.close()
      server.closeAllConnections()
      server.close()
    })
    await keepMounted(engine, 'a', never)
    expect(asked).toEqual(expected)
    server.closeAllConnections()
    server.close()
    if (expected.length > 0)
      await expect(keepMounted(engine, 'a', never)).rejects.toMatchObject({ name: 'EngineError' })
  },
)
