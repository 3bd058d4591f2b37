import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-static'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, describe, expect, test } from 'vitest'
import { ExecutorFleet } from './executor-fleet.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: login shells on OpenSSH: ${missing}`)

/** All that a job could see of the shell that it runs in. */
const look = [
  'echo "options $- $SHELLOPTS $BASHOPTS"',
  'echo "names ${!B*} ${!I*} ${!g*} ${!s*} ${!r*}"',
  'echo "functions $(declare -F)"',
  'echo "aliases $(alias)"',
  'printf "separators %q\\n" "$IFS"',
  'echo "traps $(trap)"',
  'echo "parameters $# $0 level $SHLVL"',
]
const command = 'echo "command $(tr "\\0" " " </proc/$$/cmdline | cut -c1-11)"'

describe.skipIf(missing !== undefined)('a login shell that is a bash', () => {
  let home: string
  let sshd: Sshd | undefined
  let fleet: ExecutorFleet | undefined
  afterEach(async () => {
    await fleet?.[Symbol.asyncDispose]()
    await sshd?.stop()
    rmSync(home, { recursive: true, force: true })
  })

  /** What jobs one after the other on one machine, whose login reads this at its start, see of their shell. */
  async function jobsAfter(
    startUp: string,
    { between = () => {}, outcomes }: { readonly between?: () => void; readonly outcomes?: string[] } = {},
  ): Promise<{ readonly seen: string; readonly command: string | undefined }[]> {
    home = mkdtempSync(join(tmpdir(), 'runner-core-login-'))
    writeFileSync(join(home, '.bashrc'), startUp)
    sshd = await startSshd({ config: [`SetEnv HOME=${home}`] })
    const { port, hostKey, username, privateKey } = sshd
    fleet = await ExecutorFleet.start({
      createInstanceGroup,
      pluginConfig: () => ({ instances: { a: { internal_addr: `127.0.0.1:${port}`, host_key: hostKey } } }),
      connector: { username, privateKey },
      maxInstances: 1,
      executor: { detach: { limitBytes: 1_000_000, reconnectGraceMs: 5000 }, buildsDir: join(home, 'builds') },
    })
    const seen = []
    for (let job = 0; job < 3; job++) {
      const { outcome, trace } = await fleet.run(payload({ script: [...look, command] }))
      if (outcomes === undefined) expect(outcome).toEqual({ state: 'success' })
      else outcomes.push(outcome.state)
      between()
      const lines = trace.split('\n')
      seen.push({
        seen: lines
          .filter((line) => /^(options|names|functions|aliases|separators|traps|parameters) /.test(line))
          .join('\n'),
        command: lines.find((line) => line.startsWith('command ')),
      })
    }
    return seen
  }

  test('is not replaced once it is known, and what a job sees is the same', async () => {
    const [first, second, third] = await jobsAfter('case $- in *i*) ;; *) return ;; esac\n')
    expect(first!.seen).toMatch(/^parameters 0 bash level 1$/m)
    expect(second!.seen).toBe(first!.seen)
    expect(third!.seen).toBe(first!.seen)
    expect([first, second, third].map((job) => job!.command)).toEqual([
      'command bash --norc',
      'command bash -c :; ',
      'command bash -c :; ',
    ])
  })

  test.each([
    ['a function', 'greet() { echo hi; }\n'],
    ['an option', 'set -u\n'],
    ['an option of bash', 'shopt -s nullglob\n'],
    ['a variable that is not exported', 'greeting=hi\n'],
    ['a variable that is called like those of a bash', 'BASH_GREETING=hi\n'],
    ['too little to look at it', 'enable -n compgen\n'],
    ['separators', 'IFS=:\n'],
    ['an alias that counts', 'shopt -s expand_aliases\nalias echo="echo aliased"\n'],
  ])('in which its start-up files leave %s is replaced', async (_, startUp) => {
    const [first, second] = await jobsAfter(startUp)
    expect(second!.seen).toBe(first!.seen)
    expect(second!.command).toBe('command bash --norc')
  })

  test('in which its start-up files leave traps is cleaned of them', async () => {
    const [first, second] = await jobsAfter('trap "echo trapped" EXIT DEBUG ERR\n')
    expect(second!.seen).toBe(first!.seen)
  })

  test('that is another one now fails the job that finds out, and no other', async () => {
    const outcomes: string[] = []
    const [first, second] = await jobsAfter('[ -e "$HOME/other" ] && exec dash -c "$BASH_EXECUTION_STRING"\n', {
      between: () => writeFileSync(join(home, 'other'), ''),
      outcomes,
    })
    expect(first!.command).toBe('command bash --norc')
    expect(second!.command).toBe(undefined)
    expect(outcomes).toEqual(['success', 'failed', 'success'])
  })
})
