import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, describe, expect, test } from 'vitest'
import { type InstanceExecutorOptions, isKnownLogin, type LoginMemory } from '../src/index.ts'
import { ExecutorFleet, type JobResult } from './executor-fleet.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs of several projects with one login on OpenSSH: ${missing}`)

const unscheduled = ['crontab', 'at', 'atq', 'atrm'].filter((program) => spawnSync('which', [program]).status !== 0)
if (unscheduled.length > 0)
  console.warn(`SKIPPED: what a job left with cron and at: there is no ${unscheduled.join(', ')}`)

const user = process.getuid?.() === 0 ? 'rc-login-test' : userInfo().username

describe.skipIf(missing !== undefined || user !== 'rc-login-test')('a login that jobs of several projects use', () => {
  let sshd: Sshd
  let fleet: ExecutorFleet
  let home: string
  let loot: string
  afterEach(async () => {
    unschedule()
    await fleet[Symbol.asyncDispose]()
    await sshd.stop()
    rmSync(loot, { recursive: true, force: true })
  })

  async function start(
    executor: Partial<InstanceExecutorOptions> = {},
    hosts = 1,
    addresses = ['127.0.0.1'],
  ): Promise<void> {
    loot = mkdtempSync(join(tmpdir(), 'runner-core-loot-'))
    execFileSync('chmod', ['1777', loot])
    // So that a bash reads `.bashrc`, as at a first login.
    unschedule()
    sshd = await startSshd({ user, config: ['SetEnv SHLVL=0', 'PermitUserEnvironment yes'], addresses })
    home = `/home/${user}`
    writeFileSync(join(home, '.bashrc'), '# as the image has it\n')
    writeFileSync(join(home, '.gitconfig'), '[user]\n\tname = image\n')
    execFileSync('chown', ['-R', user, home])
    await startFleet(executor, hosts, addresses)
  }

  async function startFleet(
    executor: Partial<InstanceExecutorOptions>,
    hosts = 1,
    addresses = ['127.0.0.1'],
  ): Promise<void> {
    const { port, hostKey, username, privateKey } = sshd
    const instances = Object.fromEntries(
      Array.from({ length: hosts }, (_, index) => [
        `host-${index}`,
        { internal_addr: `${addresses[0]}:${port}`, host_key: hostKey },
      ]),
    )
    fleet = await ExecutorFleet.start({
      createInstanceGroup,
      pluginConfig: () => ({ instances }),
      connector: { username, privateKey },
      maxInstances: hosts,
      executor: { detach: { limitBytes: 1_000_000, reconnectGraceMs: 5000 }, buildsDir: 'builds', ...executor },
    })
  }

  const run = (project: number, ...script: string[]): Promise<JobResult> => {
    const { job_info: info, ...job } = payload({ script })
    return fleet.run(
      { ...job, job_info: { ...info, project_id: project, project_full_path: `group/p${project}` } },
      { project: `${project}` },
    )
  }

  const processes = (word: string): string[] =>
    readdirSync('/proc').filter(
      (pid) => /^\d+$/.test(pid) && commandLine(pid).includes(word) && !commandLine(pid).includes('setpriv'),
    )

  test.each([
    [
      '.bashrc that copies what a shell reads',
      (): string => `echo 'exec 0< <(tee -a ${loot}/stolen)' >>~/.bashrc`,
      '.bashrc',
      '# as the image has it\n',
    ],
    [
      '.gitconfig',
      (): string => `git config --global core.fsmonitor 'env >>${loot}/stolen; false'`,
      '.gitconfig',
      '[user]\n\tname = image\n',
    ],
    ['~/.ssh/rc', (): string => `mkdir -p ~/.ssh; echo 'env >>${loot}/stolen' >~/.ssh/rc`, '.ssh/rc', undefined],
    [
      '~/.ssh/environment',
      (): string =>
        `mkdir -p ~/.ssh; echo 'env >>${loot}/stolen' >${loot}/evil; echo BASH_ENV=${loot}/evil >~/.ssh/environment`,
      '.ssh/environment',
      undefined,
    ],
    [
      'key that is let in',
      (): string => `mkdir -p ~/.ssh; echo 'ssh-ed25519 AAAA evil' >~/.ssh/authorized_keys`,
      '.ssh/authorized_keys',
      undefined,
    ],
    [
      'unit of the user',
      (): string => 'mkdir -p ~/.config/systemd/user; echo "[Service]" >~/.config/systemd/user/evil.service',
      '.config/systemd/user/evil.service',
      undefined,
    ],
  ] as const)('gives the next project nothing of a job that left a %s', async (_, leave, file, content) => {
    await start()
    expect((await run(1, leave())).outcome).toEqual({ state: 'success' })
    const next = await run(
      2,
      'echo "the secret is s3cr3t"',
      'git status 2>/dev/null || true',
      `cat ~/${file} 2>/dev/null || true`,
    )
    expect(next.outcome).toEqual({ state: 'success' })
    expect(existsSync(join(loot, 'stolen')) ? readFileSync(join(loot, 'stolen'), 'utf8') : '').not.toContain('s3cr3t')
    expect(next.trace).not.toContain('stolen')
    expect(existsSync(join(home, file)) ? readFileSync(join(home, file), 'utf8') : undefined).toBe(content)
  })

  test('ends what a job hid before the next project comes', async () => {
    await start()
    await run(1, '( ulimit -m 1000000; env -i setsid sleep 4242 >/dev/null 2>&1 </dev/null & )', 'sleep 0.1')
    expect(processes('sleep\x004242')).toHaveLength(1)
    expect((await run(2, 'true')).outcome).toEqual({ state: 'success' })
    expect(processes('sleep\x004242')).toEqual([])
  })

  test('gives a job of another project a home of its own, and tools and builds stay', async () => {
    await start()
    await run(1, 'mkdir -p ~/.cargo ~/.config', 'echo mine >~/.npmrc', 'echo "$HOME"')
    const second = await run(
      2,
      'echo "home $HOME"',
      'pwd',
      'cat ~/.gitconfig',
      '[ ! -e ~/.npmrc ]',
      'echo token >~/.netrc',
    )
    expect(second.outcome).toEqual({ state: 'success' })
    expect(second.trace).toMatch(/home \/home\/rc-login-test\/\.runner-core\/home\.\w+/)
    expect(second.trace).toContain('name = image')
    expect(second.trace).toContain(`/home/${user}/builds/`)
    expect(existsSync(join(home, '.netrc'))).toBe(false)
    await fleet.executor.sweepsEnded()
    expect(readdirSync(join(home, '.runner-core')).filter((name) => name.startsWith('home.'))).toEqual([])
    expect((await run(1, '[ ! -e ~/.netrc ]', 'echo "home $HOME"')).trace).toMatch(
      /home \/home\/rc-login-test\/\.runner-core\/home\.\w+/,
    )
  })

  test('has its start-up files again at the end of a job, of whose shell nothing is seen', async () => {
    await start()
    const job = [
      'echo evil >>~/.bashrc',
      'mkdir -p ~/.ssh',
      'echo evil >~/.ssh/rc',
      'rm -f ~/.profile; mkfifo ~/.profile',
    ]
    const { outcome, trace } = await run(1, ...job, 'echo "names ${!r*} functions $(declare -F)"')
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\nnames  functions \n')
    expect(readFileSync(join(home, '.bashrc'), 'utf8')).toBe('# as the image has it\n')
    expect([existsSync(join(home, '.ssh/rc')), existsSync(join(home, '.profile'))]).toEqual([false, false])
    expect((await run(1, 'cat ~/.bashrc')).trace).toContain('\n# as the image has it\n')
  })

  const unschedule = (): void => {
    if (unscheduled.length > 0) return
    spawnSync('crontab', ['-r', '-u', user])
    execFileSync('sh', ['-c', `for job in $(atq | grep ' ${user}$' | cut -f1); do atrm $job; done`])
  }

  const asUser = (command: string): string =>
    execFileSync('su', [user, '-c', command], { encoding: 'utf8', stdio: 'pipe' })

  test('has its ~/.ssh and its units again once a job is over, before any other comes, and its tools keep their settings', async () => {
    await start()
    const job = [
      'mkdir -p ~/.ssh ~/.config/systemd/user',
      'echo evil >~/.ssh/config',
      'echo evil >~/.config/systemd/user/evil.service',
    ]
    expect((await run(1, ...job, 'echo mine >~/.npmrc')).outcome).toEqual({ state: 'success' })
    await fleet.executor.sweepsEnded()
    expect(
      ['.ssh/config', '.config/systemd/user/evil.service', '.npmrc'].map((file) => existsSync(join(home, file))),
    ).toEqual([false, false, true])
  })

  test.skipIf(unscheduled.length > 0)(
    'has the crontab and the jobs of at that it had once a job is over, with the real commands',
    async () => {
      await start({}, 1, ['127.0.0.2'])
      asUser('echo "# as the image has it" | crontab -; echo true | at now + 2 days')
      const queue = asUser('atq')
      const job = ['echo "* * * * * evil" | crontab -', 'echo evil | at now + 1 day', 'crontab -l', 'atq']
      const { outcome, trace } = await run(1, ...job)
      expect(outcome).toEqual({ state: 'success' })
      expect(trace).toContain('* * * * * evil')
      await fleet.executor.sweepsEnded()
      const found = [asUser('crontab -l'), asUser('atq')]
      expect(found).toEqual(['# as the image has it\n', queue])
    },
  )

  test.skipIf(unscheduled.length > 0)('has no crontab and no job of at where it had none', async () => {
    await start({}, 1, ['127.0.0.2'])
    await run(1, 'echo "* * * * * evil" | crontab -', 'echo evil | at now + 1 day')
    await fleet.executor.sweepsEnded()
    expect([spawnSync('crontab', ['-l', '-u', user]).status, asUser('atq')]).toEqual([1, ''])
  })

  test('is not used again where what a job left cannot be put back', async () => {
    await start({}, 2)
    const first = await run(
      1,
      'mkdir -p ~/.config/systemd/user/x; echo evil >~/.config/systemd/user/x/y; chmod 500 ~/.config/systemd/user/x',
    )
    await fleet.executor.sweepsEnded()
    const second = await run(1, 'true')
    chmodSync(join(home, '.config/systemd/user/x'), 0o700)
    expect([first.outcome, second.outcome]).toEqual([{ state: 'success' }, { state: 'success' }])
    expect(second.environment!.description).not.toBe(first.environment!.description)
    expect(second.trace).toContain('file .config/systemd/user/x/y')
  })

  test('is not used again where start-up files cannot be put back', async () => {
    await start({}, 2)
    const first = await run(1, 'mv ~/.bashrc ~/b; mkdir ~/.bashrc; touch ~/.bashrc/file; chmod 500 ~/.bashrc')
    const second = await run(1, 'true')
    chmodSync(join(home, '.bashrc'), 0o700)
    expect([first.outcome, second.outcome]).toEqual([{ state: 'success' }, { state: 'success' }])
    expect(second.environment!.description).not.toBe(first.environment!.description)
  })

  test('is not used by another project where it lingers since a job', async () => {
    await start({}, 2, ['127.0.0.2'])
    const first = await run(1, 'true')
    const lingering = join('/var/lib/systemd/linger', user)
    mkdirSync(dirname(lingering), { recursive: true })
    try {
      // What `loginctl enable-linger` makes; no `loginctl` ends it here.
      writeFileSync(lingering, '')
      const second = await run(2, 'true')
      expect([first.outcome, second.outcome]).toEqual([{ state: 'success' }, { state: 'success' }])
      expect(second.environment!.description).not.toBe(first.environment!.description)
      expect(second.trace).toContain('an earlier job changed what cannot be restored (linger)')
    } finally {
      rmSync(lingering)
    }
  })

  test('is rid of what cron started for a job, and of nothing that was there before', async () => {
    await start({}, 1, ['127.0.0.2'])
    const asLogin = (seconds: string): void =>
      spawn('setpriv', ['--reuid', user, '--clear-groups', 'sleep', seconds], {
        detached: true,
        stdio: 'ignore',
      }).unref()
    asLogin('4244')
    await expect.poll(() => processes('sleep\x004244')).toHaveLength(1)
    await run(1, 'true')
    asLogin('4245')
    await expect.poll(() => processes('sleep\x004245')).toHaveLength(1)
    expect((await run(2, 'true')).outcome).toEqual({ state: 'success' })
    expect([processes('sleep\x004244').length, processes('sleep\x004245').length]).toEqual([1, 0])
    for (const pid of processes('sleep\x004244')) process.kill(Number(pid))
  })

  test('is compared by another manager with what the one before saw first, where that is kept', async () => {
    const kept = new Map<string, string>()
    const logins: LoginMemory = {
      get: (name) => {
        const login: unknown = JSON.parse(kept.get(name) ?? 'null')
        return isKnownLogin(login) ? login : undefined
      },
      set: (name, login) => void kept.set(name, JSON.stringify(login)),
    }
    await start({ logins })
    await run(1, 'echo planted >~/.npmrc')
    await fleet[Symbol.asyncDispose]()
    await startFleet({ logins })
    const { outcome, trace } = await run(2, '[ ! -e ~/.npmrc ]', 'echo "home $HOME"')
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toMatch(/home .*\.runner-core\/home\./)
    expect(existsSync(join(home, '.npmrc'))).toBe(false)
  })

  test('is rid of what a job left running, though the job put programs of its own first in PATH', async () => {
    await start()
    const bin = join(home, 'bin')
    writeFileSync(join(home, '.bashrc'), 'PATH=~/bin:$PATH\n')
    const fakes = ['grep', 'head', 'tr'].map((name) => `printf '#!/bin/sh\\n' >${bin}/${name}`)
    await run(1, `mkdir ${bin}`, ...fakes, `chmod +x ${bin}/*`, '( setsid sleep 4246 >/dev/null 2>&1 </dev/null & )')
    expect(processes('sleep\x004246')).toEqual([])
  })

  test('stays as it is between jobs of one project', async () => {
    await start()
    await run(1, 'echo "export FROM_BEFORE=yes" >~/.npmrc')
    const { trace } = await run(1, 'echo "home $HOME"', 'cat ~/.npmrc')
    expect(trace).toContain(`home /home/${user}\n`)
    expect(trace).toContain('FROM_BEFORE')
  })

  test('is looked at once no job of its project follows: the next one waits for nothing', async () => {
    await start()
    await run(1, 'mkdir -p ~/.ssh', 'echo kept >~/.ssh/config')
    const { trace } = await run(1, 'cat ~/.ssh/config')
    expect(trace).toContain('kept')
    await expect.poll(() => existsSync(join(home, '.ssh/config')), { timeout: 20_000 }).toBe(false)
  })

  test('is kept for one project where that is asked for', async () => {
    await start({ trust: 'project' }, 2)
    const first = await run(1, 'true')
    const other = await run(2, 'true')
    expect(other.outcome).toEqual({ state: 'success' })
    expect(other.environment!.description).not.toBe(first.environment!.description)
    // There is room for both.
    expect(other.trace).not.toContain('another project')
    expect((await run(1, 'true')).environment!.description).toBe(first.environment!.description)
  })

  test('is found again by the jobs of its project beside that of another one', async () => {
    await start({ trust: 'project' }, 2)
    const both = [run(1, `while [ ! -e ${loot}/second ]; do sleep 0.05; done`), run(2, `touch ${loot}/second`)]
    const first = (await Promise.all(both)).map(({ environment }) => environment?.description)
    for (const order of [
      [1, 2],
      [2, 1],
    ]) {
      for (const project of order) {
        const { environment, trace } = await run(project, 'true')
        expect(environment?.description).toBe(first[project - 1])
        expect(trace).not.toContain('another project')
      }
    }
  })
})

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}
