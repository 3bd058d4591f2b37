// Artifacts go to a coordinator whose authority only the runner was told of, and through a proxy, and come back the
// same way.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { startHttpsFront, tlsFile } from '@runner-core/testkit/http/https-front'
import { fleetConfig, hostMachines, Managers } from '@runner-core/testkit/manager/managers'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'

const missing = sshdMissing()
const bytes = Buffer.alloc(5_000_000, 'x')

test.skipIf(missing !== undefined).each([
  ['a tunnel to a coordinator with an authority of its own', 'https'],
  ['a proxy for plain http', 'http'],
] as const)(
  `through %s${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async (_, protocol) => {
    await using cleanUp = new AsyncDisposableStack()
    const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
    const front = cleanUp.use(await startHttpsFront(() => coordinator.url))
    const proxy = cleanUp.use(
      await startForwardProxy(protocol === 'https' ? front.port : Number(new URL(coordinator.url).port)),
    )
    const sshd = await startSshd()
    cleanUp.defer(() => sshd.stop())
    const managers = cleanUp.use(
      new Managers('on-the-way', { [`${protocol.toUpperCase()}_PROXY`]: `http://me:p%40ss@${proxy.url}` }),
    )
    managers.configure(
      fleetConfig({
        name: `on-the-way-${process.pid}`,
        url: `${protocol}://coordinator.test`,
        token: Coordinator.token,
        top: `state_dir = "${join(managers.folder, 'state')}"`,
        runner: `builds_dir = "${join(managers.folder, 'builds')}"\ntls-ca-file = "${tlsFile('ca.pem')}"`,
        machines: hostMachines(managers.folder, sshd),
      }),
    )
    const build = coordinator.enqueue({
      script: [`head -c ${bytes.length} /dev/zero | tr '\\0' x >big`],
      artifacts: [{ paths: ['big'] }, { paths: ['big'], format: 'raw', type: 'metrics', name: 'raw' }],
    })
    managers.start()
    await build.finished
    expect(build.state, build.trace.text()).toBe('success')
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(build.uploads).toEqual([
      expect.objectContaining({ filename: 'artifacts.zip', type: 'archive' }),
      expect.objectContaining({ filename: 'raw', type: 'metrics', size: bytes.length, sha256 }),
    ])

    const next = coordinator.enqueue({
      script: [`cksum <big; echo "${sha256}  big" | sha256sum -c`],
      dependencies: [build],
    })
    await next.finished
    expect(next.state, next.trace.text()).toBe('success')
    expect(next.trace.text()).toContain('big: OK')
    expect(coordinator.violations).toEqual([])
    // All of it went that way.
    const lines = new Set(
      proxy.asked.map(({ line, authorization }) => `${authorization} ${line.replace(/\/jobs\/.*/, '/jobs')}`),
    )
    const asked =
      protocol === 'https'
        ? ['CONNECT coordinator.test:443']
        : ['POST', 'PATCH', 'PUT', 'GET'].map((method) => `${method} http://coordinator.test/api/v4/jobs`)
    for (const line of asked) expect(lines).toContain(`Basic ${btoa('me:p@ss')} ${line}`)
    const secrets = [build, next].flatMap(({ assignment }) => [assignment!.jobToken, 'p@ss', 'p%40ss'])
    for (const secret of secrets) expect(`${build.trace.text()}${next.trace.text()}`).not.toContain(secret)
  },
  60_000,
)
