// Upstream's own releaser and installer beside `runner-core fleeting`: what one releases the other installs, and what
// one installs the other finds.
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findGoPlugin } from '@runner-core/fleeting-goplugin'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { runBin } from '@runner-core/testkit/manager/bin'
import { goPrograms } from '@runner-core/testkit/programs/go-programs'
import { program, push } from '@runner-core/testkit/registry/artifact'
import { DockerRegistry, registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { fleetingArtifact } from '@runner-core/testkit/registry/fleeting-artifact'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const tool = fleetingArtifact()
const built = goPrograms()
const absent = registryMissing() ?? ('absent' in tool ? tool.absent : 'absent' in built ? built.absent : undefined)
if (absent !== undefined) console.warn(`SKIPPED: plugins from a registry, with upstream's installer: ${absent}`)

const goArchitecture = { x64: 'amd64' }[process.arch as string] ?? process.arch
/**
 * Names of this kind may speak HTTP with upstream. The proxy sends them all to the registry on loopback; without a
 * port, which upstream cannot install from.
 */
const moon = 'registry.local/acme/moon'

let folder: string
let registry: DockerRegistry
let proxy: Awaited<ReturnType<typeof startForwardProxy>>
let env: NodeJS.ProcessEnv
beforeEach(async () => {
  if (absent !== undefined) return
  folder = mkdtempSync(join(tmpdir(), 'fleeting-artifact-'))
  registry = await DockerRegistry.start()
  proxy = await startForwardProxy(registry.port)
  env = {
    PATH: process.env['PATH'],
    HOME: folder,
    HTTP_PROXY: `http://${proxy.url}`,
    HTTPS_PROXY: `http://${proxy.url}`,
  }
})
afterEach(async () => {
  if (absent !== undefined) return
  await proxy[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const at = (directory: string): NodeJS.ProcessEnv => ({ ...env, FLEETING_PLUGIN_PATH: join(folder, directory) })

async function upstream(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)('file' in tool ? tool.file : '', args, { env: environment })
  return stdout
}

async function ours(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await runBin(['fleeting', ...args, '--plain-http'], { env: environment })
  if (code !== 0) throw new Error(stderr)
  return stdout
}

/** Releases the dummy plugin with upstream's releaser. */
async function release(reference: string): Promise<void> {
  const dist = join(folder, 'dist')
  const place = join(dist, 'linux', goArchitecture)
  mkdirSync(place, { recursive: true })
  copyFileSync('dummy' in built ? built.dummy : '', join(place, 'plugin'))
  writeFileSync(join(place, 'NOTICE'), 'beside it')
  await upstream(['release', '-dir', dist, reference], env)
}

function tree(directory: string): Readonly<Record<string, Buffer>> {
  const files = (readdirSync(directory, { recursive: true }) as string[]).filter((name) =>
    statSync(join(directory, name)).isFile(),
  )
  return Object.fromEntries(files.sort().map((name) => [name, readFileSync(join(directory, name))]))
}

describe.skipIf(absent !== undefined)("with upstream's installer", () => {
  test('what it released is installed alike by both, and each finds what the other installed', async () => {
    await release(`${moon}:1.2.0`)
    await release(`${moon}:1.10.0`)
    for (const reference of [`${moon}:1.2`, `${moon}:1`, moon]) {
      await upstream(['install', reference], at('upstream'))
      await ours(['install', reference], at('ours'))
      const theirs = (await upstream(['lookpath', reference], at('ours'))).trim()
      expect(theirs).toBe(findGoPlugin(reference, { environment: at('ours') }))
      expect((await upstream(['lookpath', reference], at('upstream'))).trim()).toBe(
        findGoPlugin(reference, { environment: at('upstream') }),
      )
    }
    expect(tree(join(folder, 'ours'))).toEqual(tree(join(folder, 'upstream')))
    expect(Object.keys(tree(join(folder, 'ours')))).toEqual(
      ['1.10.0', '1.2.0'].flatMap((version) => [`${moon}/${version}/NOTICE`, `${moon}/${version}/plugin`]),
    )
    // And each leaves what the other installed as it is.
    expect(await ours(['install', moon], at('upstream'))).toContain('(already installed)')
    await upstream(['install', moon], at('ours'))
  })

  test('an official plugin by its short name, installed, then run under our host by that name', async () => {
    await release('registry.local/gitlab-org/fleeting/plugins/dummy:0.3.1')
    const config = join(folder, 'config.toml')
    writeFileSync(
      config,
      '[[runners]]\nname = "one"\nurl = "http://127.0.0.1:9"\ntoken = "glrt-1"\nexecutor = "instance"\n[runners.autoscaler]\nplugin = "dummy"\nmax_instances = 2\n[[runners.autoscaler.policy]]\nidle_count = 1\n',
    )
    // The registry's name is that of the official one; the proxy leads it to loopback.
    await ours(['install', '-c', config], at('plugins'))
    expect(
      proxy.asked.every(
        ({ line }) =>
          !line.includes('gitlab.com') ||
          line.startsWith('GET http://registry.gitlab.com/v2/gitlab-org/fleeting/plugins/dummy/'),
      ),
    ).toBe(true)
    expect(await ours(['list', '-c', config], at('plugins'))).toContain(
      'registry.gitlab.com/gitlab-org/fleeting/plugins/dummy/0.3.1/plugin',
    )
    const { code, stdout, stderr } = await runBin(['plan', '-c', config], { env: at('plugins') })
    expect({ code, stdout }, stderr).toEqual({
      code: 0,
      stdout: expect.stringMatching(/group dummy\/dummy.*increase by 1/s),
    })
  })

  test('versions of a registry and of the directory, as upstream chooses them', async () => {
    const versions = [
      '0.1.0',
      '0.10.0',
      '0.9.0',
      '1.0.0',
      '1.0.0-rc.1',
      '1.0.0-rc.10',
      '1.0.0-rc.2',
      '1.0.0-alpha',
      '1.5.0',
      '1.5.10',
      '1.5.9',
      '1.50.0',
      '2.0.0-beta',
      '10.0.0',
      '10.0.1-RC',
    ]
    const others = ['1', '1.5', 'latest', 'stable', '1.x', '3.0.0_1', 'v4.0.0']
    await push(`http://127.0.0.1:${registry.port}`, 'acme/moon', {
      version: '1.0.0',
      tags: [...versions, ...others],
      files: { [`linux/${goArchitecture}`]: [program('x')] },
    })
    // Made by upstream's rules for names, not by ours.
    const root = at('plugins')['FLEETING_PLUGIN_PATH'] as string
    for (const version of versions) {
      const directory = join(
        root,
        moon,
        version.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`),
      )
      mkdirSync(directory, { recursive: true })
      writeFileSync(join(directory, 'plugin'), '#!/bin/sh\n', { mode: 0o755 })
    }
    const wanted = [
      '',
      ':latest',
      ':0',
      ':0.1',
      ':1',
      ':1.0',
      ':1.5',
      ':1.50',
      ':10',
      ':3',
      ...versions.map((version) => `:${version}`),
    ]
    for (const suffix of wanted) {
      const reference = `${moon}${suffix}`
      const [theirs, own] = await Promise.all([upstream(['list', reference], env), ours(['list', reference], env)])
      // Pre-releases are shown here, where upstream does so only for exactly one.
      const releases = own.split('\n').filter((version) => reference.includes('-') || !version.includes('-'))
      expect(releases.filter((version) => !version.startsWith('v')).join('\n'), reference).toBe(theirs)
      const found = await upstream(['lookpath', reference], at('plugins')).then(
        (path) => path.trim(),
        () => undefined,
      )
      if (found !== undefined) expect(findGoPlugin(reference, { environment: at('plugins') }), reference).toBe(found)
    }
  })
})
