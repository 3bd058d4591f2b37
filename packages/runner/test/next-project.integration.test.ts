// Jobs of two projects in turn on one login, under a real manager and a real OpenSSH server.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { fleetConfig, hostMachines, kill, Managers } from '@runner-core/testkit/manager/managers'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'

const missing = process.getuid?.() === 0 ? sshdMissing() : 'only root may make a user'
if (missing !== undefined) console.warn(`SKIPPED: jobs of two projects on one login under a manager: ${missing}`)

test.skipIf(missing !== undefined)(
  'a job sees nothing of what one of another project left, over a restart of the manager too',
  async () => {
    await using stack = new AsyncDisposableStack()
    const coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1 })
    stack.defer(() => coordinator.close())
    const sshd = await startSshd({ user: 'rc-next-project', config: ['SetEnv SHLVL=0'] })
    stack.defer(() => sshd.stop())
    await using managers = new Managers('next-project')
    const { folder } = managers
    const loot = join(folder, 'loot')
    mkdirSync(loot)
    const hidden = join(loot, 'hidden')
    execFileSync('chmod', ['755', folder])
    execFileSync('chmod', ['1777', loot])
    managers.configure(
      fleetConfig({
        name: 'next-project',
        url: coordinator.url,
        token: Coordinator.token,
        slots: 1,
        top: `state_dir = "${join(folder, 'state')}"\nstate_key_file = "${join(folder, 'state.key')}"`,
        machines: hostMachines(folder, sshd),
      }),
    )
    const stolen = (): string => (existsSync(join(loot, 'stolen')) ? readFileSync(join(loot, 'stolen'), 'utf8') : '')
    const run = async (project: number, ...script: string[]): Promise<string> => {
      const variables = [{ key: 'SECRET', value: `secret-of-${project}`, masked: true }]
      const job = coordinator.enqueue({ project, variables, script })
      await job.finished
      expect(job.state, job.trace.text()).toBe('success')
      return job.trace.text()
    }

    const first = managers.start()
    await run(
      1,
      `echo 'exec 0< <(tee -a ${loot}/stolen)' >>~/.bashrc`,
      `mkdir -p ~/.ssh; echo 'env >>${loot}/stolen' >~/.ssh/rc`,
      `git config --global core.fsmonitor 'env >>${loot}/stolen; false' || true`,
      'echo mine >~/.npmrc',
      `( ulimit -m 1000000; env -i setsid tail -F ${hidden} >/dev/null 2>&1 </dev/null & )`,
    )
    expect(await run(2, 'echo "home $HOME"', 'cat ~/.npmrc 2>/dev/null || echo no npmrc')).toMatch(
      /home .*\/\.runner-core\/home\.\w+[\s\S]*no npmrc/,
    )
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(hidden)

    await run(2, `echo 'exec 0< <(tee -a ${loot}/stolen)' >>~/.profile`)
    await kill(first)
    managers.start()
    await run(3, 'echo hello')
    expect(stolen()).not.toContain('secret-of-')
  },
)
