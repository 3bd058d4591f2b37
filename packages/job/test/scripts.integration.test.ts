import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, describe, expect, test } from 'vitest'
import { localShells } from './local-shells.ts'

describe.each(localShells)('a script in $name', (localShell) => {
  const environment = new LocalEnvironment({ localShell })
  afterAll(() => environment[Symbol.dispose]())
  const runScript = (...script: string[]) => run(environment, payload({ script }))
  const failed = (exitCode: number) => ({
    state: 'failed',
    reason: 'script_failure',
    code: 'script_failed',
    exitCode,
    message: `exit status ${exitCode}`,
  })

  test('says what it does, in order, in one command', async () => {
    const before = environment.runs + environment.kills
    const { outcome, trace } = await runScript(
      'echo one',
      'echo two >&2; echo three',
      'if true',
      'then echo four\necho five\nfi',
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(environment.runs + environment.kills - before).toBe(1)
    expect(trace).toContain(
      '$ echo one\none\n$ echo two >&2; echo three\ntwo\nthree\n$ if true\n$ then echo four # collapsed multi-line command\nfour\nfive\nJob succeeded\n',
    )
  })

  test.each([
    ['exit 3', 3],
    ['false', 1],
    ['(exit 7)', 7],
    ['no-such-command-here', 127],
    ['exec no-such-command-here', 127],
    ['echo "unclosed', 2],
    ['echo )', 2],
    ['fi', 2],
    ['trap "exit 5" EXIT; false', 5],
    ['trap "" EXIT TERM; exit 9', 9],
    ['printf() { :; }; echo() { :; }; exit 4', 4],
    ['set -u; echo $NOT_SET_AT_ALL', 1],
  ])('%s fails it', async (line, exitCode) => {
    const { outcome, trace } = await runScript('echo before', line, 'echo never && touch never')
    // A shell may read all of a script before it runs any of it, and shells differ in how they count such errors.
    if (exitCode === 2 || line.includes('NOT_SET'))
      expect(outcome).toMatchObject({ reason: 'script_failure', exitCode: expect.any(Number) })
    else expect(outcome).toEqual(failed(exitCode))
    expect(trace).not.toContain('\nnever')
    expect(trace).toMatch(/\nERROR: Job failed: exit status \d+\n$/)
  })

  test.each([
    ['exit 0', ''],
    ['exec >/dev/null 2>&1', ''],
    ['exec >&- 2>&-; true', ''],
    ['exec sleep 0.01', ''],
    ['set +e; false; echo on', 'on\n'],
    ['exec 2>/dev/null; echo still', 'still\n'],
    ['cat; echo at the end', 'at the end\n'],
    ['echo "$#:$0"', localShell.shell === 'bash' ? '0:bash\n' : '0:sh\n'],
    ['set -x; set +x', ''],
    ['alias printf=false; unset -f printf; cd /; umask 777', ''],
    ['IFS=; PATH=/nowhere; echo on', 'on\n'],
  ])('%s does not fail it', async (line, printed) => {
    const { outcome, trace } = await runScript(line)
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain(`$ ${line}\n${printed}`)
    expect(trace).toMatch(/Job succeeded\n$/)
  })

  test('output comes through byte for byte, and the end is told from output without a line end', async () => {
    const { outcome, rawTrace } = await runScript(
      // Every byte but those of the comparison itself; then what looks like a marker.
      `printf '${Array.from({ length: 255 }, (_, byte) => `\\${(byte + 1).toString(8).padStart(3, '0')}`).join('')}'`,
      `printf '\\036nonce end 1\\036\\036'; exit 6`,
    )
    expect(outcome).toEqual(failed(6))
    expect(rawTrace.includes(Buffer.from(Array.from({ length: 255 }, (_, byte) => byte + 1)))).toBe(true)
    expect(rawTrace.toString()).toContain('\x1enonce end 1\x1e\x1e\n\x1b[0K\x1b[31;1mERROR: Job failed: exit status 6')
  })

  test('megabytes of output come through', async () => {
    const { outcome, rawTrace } = await runScript(
      'i=0; while [ $i -lt 30000 ]; do echo "line $i of many lines that are all of them quite long"; i=$((i+1)); done',
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(rawTrace.toString().match(/^line \d+ of many/gm)).toHaveLength(30000)
  })

  test('a script that kills the shell around it has failed, and does not live on', async () => {
    const { outcome, trace } = await runScript('kill -9 $$', 'sleep 3; echo lived on')
    expect(outcome).toEqual(failed(137))
    expect(trace).not.toContain('\nlived on')
  })

  test('a script that kills its whole process group has failed', async () => {
    const { outcome } = await runScript('kill 0; sleep 5')
    expect(outcome).toEqual(failed(143))
  })

  test('a command that a signal ended fails it with 128 and the number', async () => {
    const { outcome } = await runScript(`sh -c 'kill -9 $$'`)
    expect(outcome).toEqual(failed(137))
  })

  test('a script sees no secret of the machinery, and none of its variables', async () => {
    const { outcome, trace } = await run(
      environment,
      payload({ script: ['set; env; cat /proc/$$/cmdline /proc/$$/environ; declare -f 2>/dev/null || :'] }),
      {
        createNonce: () => 'unguessable',
      },
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('CI_PROJECT_DIR')
    expect(trace).not.toContain('unguessable')
    expect(trace).not.toMatch(/^rc_/m)
  })

  test('a forged end with the right word does not end a script that goes on', async () => {
    // Even a script that could guess the word only changes its own job's outcome: its true end comes last.
    const { outcome } = await run(environment, payload({ script: [`printf '\\036word end 0\\036'`, 'exit 3'] }), {
      createNonce: () => 'word',
    })
    expect(outcome).toMatchObject({ state: 'failed', exitCode: 3 })
  })

  test('lines with odd characters run and are shown as they are written', async () => {
    const { trace } = await runScript(`echo 'a\\tb' "it's" \\$HOME %s %d ü 🦊 \t`, '   ', '', "echo '\\\\n'")
    expect(trace).toContain(`$ echo 'a\\tb' "it's" \\$HOME %s %d ü 🦊\n`)
    expect(trace).toContain("it's $HOME %s %d ü 🦊\n")
    expect(trace).not.toContain('$ \n')
  })

  test('steps run in shells of their own, the next one only when the one before ended well', async () => {
    const steps = (...scripts: readonly (readonly [string, readonly string[]])[]) =>
      payload({
        overrides: {
          steps: scripts.map(([name, script]) => ({
            name,
            script,
            timeout: 60,
            when: 'on_success',
            allow_failure: false,
          })),
        },
      })
    const good = await run(
      environment,
      steps(
        ['script', ['LOCAL=set; cd /', 'echo "GREETING=hello world" >>"$GITLAB_ENV"']],
        ['Other One', ['echo "<${LOCAL:-}> $GREETING $PWD"']],
        ['release', ['echo "$CI_JOB_TIMEOUT $CI_PROJECT_DIR"']],
      ),
    )
    expect(good.outcome).toEqual({ state: 'success' })
    expect(good.trace).toContain('Executing "step_other_one" stage of the job script\n')
    expect(good.trace).toContain(`\n<> hello world ${environment.home}/builds/tok123/0/group/project\n`)
    // The runner itself expands the lines of a release, as far as it can.
    expect(good.trace).toContain(`$ echo "3600 \${CI_PROJECT_DIR}"\n3600 ${environment.home}/builds`)
    const bad = await run(environment, steps(['script', ['exit 8']], ['release', ['echo never']]))
    expect(bad.outcome).toEqual(failed(8))
    expect(bad.trace).not.toContain('step_release')
  })

  test('commands of several lines are folded where that is asked for and GitLab folds, and run as they would', async () => {
    const script = ['echo one', 'if true\nthen echo "it\'s two"\nfi', '', 'false ||\nexit 4']
    const job = (trace_sections: boolean) =>
      payload({
        script,
        variables: [variable('FF_SCRIPT_SECTIONS', 'true')],
        overrides: { features: { trace_sections, token_mask_prefixes: [], failure_reasons: [] } },
      })
    const { outcome, rawTrace } = await run(environment, job(true))
    expect(outcome).toEqual(failed(4))
    const text = rawTrace
      .toString()
      .replaceAll('\x1b', 'E')
      .replaceAll(/\b\d{10}\b/g, 'TIME')
    const folded = (index: number, command: string): string =>
      `section_start:TIME:section_script_step_${index}[hide_duration=true,collapsed=true]\rE[0KE[32;1m$ ${command}E[0;m\n` +
      `section_end:TIME:section_script_step_${index}\rE[0K\n`
    expect(text).toContain(`E[32;1m$ echo oneE[0;m\none\n${folded(1, script[1]!)}it's two\n${folded(3, script[3]!)}`)
    const plain = await run(environment, job(false))
    expect(plain.trace).toContain('$ if true # collapsed multi-line command\n')
  })

  test('a shell that is not there is a system failure', async () => {
    using bare = new LocalEnvironment({
      localShell: { name: 'none', shell: localShell.shell },
      env: { PATH: '/nowhere' },
    })
    const { outcome, trace } = await run(bare, payload())
    expect(outcome).toMatchObject({ reason: 'runner_system_failure', code: 'shell_missing' })
    expect(trace).toContain("ERROR: Job failed (system failure): the instance's shell")
  })

  test('a directory that cannot be made is a system failure', async () => {
    using denied = new LocalEnvironment({ localShell, buildsDir: '/proc/nowhere' })
    const { outcome } = await run(denied, payload({ script: ['echo never'], afterScript: ['echo never'] }))
    expect(outcome).toMatchObject({ reason: 'runner_system_failure', code: 'prepare_failed' })
  })

  test('what one job left in its directory is there for the next, and no two concurrent ids share one', async () => {
    await runScript('echo kept >kept')
    expect((await runScript('cat kept')).trace).toContain('\nkept\n')
    using other = new LocalEnvironment({ localShell, concurrentId: 1, home: environment.home })
    expect((await run(other, payload({ script: ['ls kept'] }))).outcome).toMatchObject({ reason: 'script_failure' })
    const empty = await run(
      environment,
      payload({ script: ['pwd; ls -A', 'touch x'], variables: [variable('GIT_STRATEGY', 'empty')] }),
    )
    expect(empty.trace).toContain('/group/project-empty\n$ touch x')
  })
})
