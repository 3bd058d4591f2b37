import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasHttpBackend, hasLfs, lfsPointer, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { filePayloads } from './file-payloads.ts'
import type { Payload } from './payload.ts'
import { scriptPayloads } from './script-payloads.ts'
import { type PayloadSources, sourcePayloads } from './source-payloads.ts'

/** All payloads, in the order in which they are to be handed out: one at a time, on one machine. */
export function allPayloads(sources: PayloadSources): readonly Payload[] {
  return [...scriptPayloads, ...sourcePayloads(sources), ...filePayloads]
}

/** Why the sources cannot be served here; undefined when they can. */
export function sourcesMissing(): string | undefined {
  if (!hasHttpBackend) return 'git has no http-backend'
  return hasLfs ? undefined : 'git-lfs is not installed'
}

const token = 'glcbt-64_token-of-the-sources'

/** Repositories, and a server for them, until `cleanUp` ends. */
export async function serveSources(cleanUp: AsyncDisposableStack): Promise<PayloadSources> {
  const project = cleanUp.use(new TestRepository())
  const repository = (name: string, objectFormat: 'sha1' | 'sha256' = 'sha1'): TestRepository =>
    new TestRepository({ root: project.root, name, objectFormat })
  const [nested, other, library, withModules, withLfs, sha256] = [
    repository('nested'),
    repository('other'),
    repository('library'),
    repository('modules'),
    repository('lfs'),
    repository('sha256', 'sha256'),
  ]
  const server = await serveGit(project, token, { lfsObjects: ['kept by LFS\n'] })
  cleanUp.defer(() => server.close())

  project.commit('.gitignore', 'ignored\n')
  project.commit('file', 'first\n')
  const sha = project.commit('file', 'second\n')
  library.link('nested', '../nested.git', nested.commit('file', 'of nested\n'))
  // As people write it who work with keys of their own.
  library.link('other', 'git@127.0.0.1:other.git', other.commit('file', 'of other\n'))
  withModules.link('library', '../library.git', library.commit('file', 'of library\n'))
  const modules = withModules.link('unwanted', '../nested.git', nested.commit('file', 'newer\n'))
  withLfs.commit('.gitattributes', '*.bin filter=lfs diff=lfs merge=lfs -text\n')
  const lfs = withLfs.commit('big.bin', lfsPointer('kept by LFS\n'))
  const inSha256 = sha256.commit('file', 'in sha256\n')

  const torn = cleanUp.use(new TestRepository({ name: 'torn' }))
  const tornServer = await serveGit(torn, token, { tornPacks: 1 })
  cleanUp.defer(() => tornServer.close())
  return {
    token,
    project: { url: `http://${server.host}/project.git`, sha },
    withModules: { url: `http://${server.host}/modules.git`, sha: modules },
    withLfs: { url: `http://${server.host}/lfs.git`, sha: lfs },
    sha256: { url: `http://${server.host}/sha256.git`, sha: inSha256 },
    torn: { url: `http://${tornServer.host}/torn.git`, sha: torn.commit('file', 'in torn\n') },
  }
}

/** A folder for one run, until `cleanUp` ends. */
export function payloadFolder(cleanUp: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-payloads-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o711)
  return folder
}

/** A machine with OpenSSH, until `cleanUp` ends. */
export interface PayloadMachine {
  readonly port: number
  readonly username: string
  readonly hostKey: string
  readonly keyFile: string
}

/** `path`: more of what its login finds programs in. */
export async function startMachine(
  folder: string,
  cleanUp: AsyncDisposableStack,
  path: readonly string[] = [],
): Promise<PayloadMachine> {
  const search = [...path, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':')
  const sshd = await startSshd({ config: [`SetEnv SHLVL=1 PATH=${search}`] })
  cleanUp.defer(() => sshd.stop())
  const { port, username, hostKey, privateKey } = sshd
  const keyFile = join(folder, 'key')
  writeFileSync(keyFile, privateKey, { mode: 0o600 })
  return { port, username, hostKey, keyFile }
}

/** Of the payloads with these names, and those that they need. */
export function chosenPayloads<Given extends Payload>(
  payloads: readonly Given[],
  names: readonly string[],
): readonly Given[] {
  const wanted = new Set(names)
  for (const { name, needs = [], follows = [] } of payloads.toReversed())
    if (wanted.has(name)) for (const need of [...needs, ...follows]) wanted.add(need)
  return payloads.filter(({ name }) => wanted.has(name))
}

/** Where jobs and caches are on the machine, which has no home of its own. */
export function ownDirectories(folder: string): string {
  return `builds_dir = "${join(folder, 'builds')}"\ncache_dir = "${join(folder, 'cache')}"`
}

/** `config.toml` of this project's runner, one job at a time; without a machine, on plugin `local`. */
export function ourConfig(
  server: { readonly url: string; readonly token: string },
  folder: string,
  machine?: PayloadMachine,
): string {
  const plugin =
    machine === undefined
      ? `plugin = "local"\nplugin_config = { root_dir = "${join(folder, 'instances')}" }`
      : `plugin = "static"
plugin_config = { instances = { a = { internal_addr = "127.0.0.1:${machine.port}", username = "${machine.username}", key_path = "${machine.keyFile}", host_key = "${machine.hostKey}" } } }`
  return `concurrent = 1
state_dir = "${join(folder, 'state')}"
[[runners]]
name = "payloads"
url = "${server.url}"
token = "${server.token}"
executor = "instance"
${machine === undefined ? '' : ownDirectories(folder)}
[runners.autoscaler]
${plugin}
capacity_per_instance = 1
max_instances = 1
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_time = "1h"
`
}
