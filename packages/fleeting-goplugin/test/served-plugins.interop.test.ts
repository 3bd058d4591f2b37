// Our plugins under upstream's own host: its integration test, the calls that this leaves out, and TLS.
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cloudsPython, Moto, withoutPython } from '@runner-core/testkit/clouds/moto'
import { goPrograms } from '@runner-core/testkit/programs/go-programs'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const built = goPrograms()
const host = 'absent' in built ? '' : built.host
if ('absent' in built) console.warn(`SKIPPED: our plugins under upstream's host: ${built.absent}`)
const withoutAws = withoutPython || (sshdMissing() === undefined ? '' : ` (SKIPPED: ${sshdMissing()})`)
if (withoutAws !== '') console.warn(`plugin aws under upstream's host${withoutAws}`)

const executable = (name: string): string =>
  fileURLToPath(new URL(`../../fleeting-plugin-${name}/bin/fleeting-plugin-${name}.js`, import.meta.url))

interface Connector {
  readonly Username?: string
  readonly Key?: string
  readonly Port?: number
  readonly Static?: boolean
}

/** Runs one test of `test/go/host`; answers what it and the plugin's log said. */
async function underUpstreamsHost(
  name: string,
  plugin: string,
  config: object,
  connector: Connector = {},
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(host, [`-test.run=^${name}$`, '-test.v', '-test.timeout=100s'], {
    env: {
      ...process.env,
      ...env,
      PLUGIN: executable(plugin),
      PLUGIN_CONFIG: JSON.stringify(config),
      CONNECTOR_CONFIG: JSON.stringify(connector),
    },
  })
  expect(stdout).toContain(`--- PASS: ${name}`)
  return stdout + stderr
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'served-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A shell that writes down what it is given to run. */
function recordingShell(): { readonly shell: string; readonly commands: () => string } {
  const [shell, commands] = [join(folder, 'shell'), join(folder, 'commands')]
  writeFileSync(shell, `#!/bin/sh\nprintf '%s\\n' "$*" >>'${commands}'\nexec /bin/sh "$@"\n`)
  chmodSync(shell, 0o755)
  return { shell, commands: () => readFileSync(commands, 'utf8') }
}

describe.skipIf(host === '')("plugin local under upstream's host", () => {
  test("passes upstream's TestProvisioning, and was told how to connect and ran a command in it", async () => {
    const { shell, commands } = recordingShell()
    const log = await underUpstreamsHost('TestProvisioning', 'local', { shell })
    expect(commands()).toContain("echo 'hello world'")
    expect(log).toContain('the host was told how to connect')
    expect(log).not.toMatch(/\[(?:WARN|ERROR)\]/)
  })

  test('answers every call of the protocol', async () => {
    await underUpstreamsHost('TestCalls', 'local', { fleet: 'interop' })
  })

  test('speaks TLS with a host that wants it, and ends by itself', async () => {
    await underUpstreamsHost('TestAutoMTLS', 'local', {})
  })
})

describe.skipIf(host === '' || cloudsPython === undefined || withoutAws !== '')(
  `plugin aws under upstream's host, on moto${withoutAws}`,
  () => {
    test("passes upstream's TestProvisioning; its machines are launched, reached and ended in the cloud", async () => {
      const network = '127.80.98'
      await using moto = await Moto.start(cloudsPython as string)
      await moto.makeGroup({ name: 'runners', maxSize: 5, cidr: `${network}.0/28` })
      // A real server at every address that a machine may get.
      const addresses = Array.from({ length: 14 }, (_, index) => `${network}.${index + 1}`)
      const sshd = await startSshd({ addresses })
      try {
        const connector = { Username: sshd.username, Key: sshd.privateKey, Port: sshd.port, Static: true }
        const config = { name: 'runners', region: 'eu-west-1', endpoint: moto.url }
        const access = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
        const log = await underUpstreamsHost('TestProvisioning', 'aws', config, connector, access)
        expect(log).toContain('the host was told how to connect')
      } finally {
        await sshd.stop()
      }
      expect([...(await moto.instanceStates()).values()]).toEqual(['terminated', 'terminated', 'terminated'])
    })
  },
)
