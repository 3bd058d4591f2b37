// A coordinator by https whose authority no machine knows: the runner is told of it, and git on the machine trusts it
// too, for this server only.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { startHttpsFront, tlsFile } from '@runner-core/testkit/http/https-front'
import { hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { startBin } from '@runner-core/testkit/manager/bin'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'

const missing = sshdMissing() ?? (hasHttpBackend ? undefined : 'git has no http-backend')
const token = 'glcbt-64_token-of-the-sources'

test.skipIf(missing !== undefined)(
  `a job on OpenSSH has its sources and submodules from a server whose authority only the runner was told of${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    await using cleanUp = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'runner-core-https-'))
    cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
    const project = cleanUp.use(new TestRepository())
    const library = new TestRepository({ root: project.root, name: 'library' })
    const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
    const git = await serveGit(project, token)
    cleanUp.defer(() => git.close())
    const { origin } = cleanUp.use(
      await startHttpsFront((path) => (path.startsWith('/api/') ? coordinator.url : `http://${git.host}`)),
    )
    const sshd = await startSshd()
    cleanUp.defer(() => sshd.stop())
    project.commit('file', 'of the project')
    const sha = project.link('library', '../library.git', library.commit('file', 'of the library'))
    writeFileSync(join(folder, 'key'), sshd.privateKey, { mode: 0o600 })
    writeFileSync(
      join(folder, 'config.toml'),
      `concurrent = 1
[[runners]]
name = "https"
url = "${origin}"
token = "${Coordinator.token}"
tls-ca-file = "${tlsFile('ca.pem')}"
executor = "instance"
builds_dir = "${join(folder, 'builds')}"
[runners.autoscaler]
plugin = "static"
plugin_config = { instances = { a = { internal_addr = "127.0.0.1:${sshd.port}", username = "${sshd.username}", key_path = "${join(folder, 'key')}", host_key = "${sshd.hostKey}" } } }
max_instances = 1
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_time = "10s"
`,
    )
    const run = startBin(['run', '--config', join(folder, 'config.toml')])
    cleanUp.defer(() => void run.process.kill('SIGKILL'))
    const repoUrl = origin.replace('//', `//gitlab-ci-token:${token}@`)
    const job = coordinator.enqueue({
      script: [
        'cat file library/file',
        'git fetch --quiet origin main && git -C library fetch --quiet origin main && echo; echo "fetched"',
        // Outside of the work tree git trusts what the machine does.
        'cd /; ! git ls-remote "$SERVER/project.git" 2>&1',
      ],
      variables: [
        { key: 'CI_JOB_TOKEN', value: token, masked: true },
        { key: 'GIT_SUBMODULE_STRATEGY', value: 'normal' },
        { key: 'SERVER', value: origin },
      ],
      git: { repoUrl: `${repoUrl}/project.git`, ref: 'main', sha },
    })
    await job.finished
    const trace = job.trace.text()
    expect(job.state, `${trace}\n${run.stderr}`).toBe('success')
    expect(trace).toContain('of the projectof the library')
    expect(trace).toContain('\nfetched\n')
    expect(trace).toMatch(/certificate/)
    expect(trace).not.toContain(token)
    // The next job of the machine finds neither the token nor the authority.
    for (const entry of readdirSync(join(folder, 'builds'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )) {
      const content = readFileSync(join(entry.parentPath, entry.name))
      expect(content.includes(token) || content.includes('BEGIN CERTIFICATE'), entry.name).toBe(false)
    }
    run.process.kill('SIGQUIT')
    expect(await run.ended).toBe(0)
  },
)
