import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { quote } from '../src/script/quote.ts'
import { localShells } from './local-shells.ts'

describe.each(localShells)('variables in $name', (localShell) => {
  const environment = new LocalEnvironment({ localShell })
  afterAll(() => environment[Symbol.dispose]())
  const directory = (): string => join(environment.home, 'builds/tok123/0/group/project')
  const hex = (text: string): string => Buffer.from(text).toString('hex')

  test('any bytes but NUL survive quoting', () => {
    const [program, ...args] =
      localShell.shell === 'bash'
        ? ['bash', '--norc']
        : [
            localShell.sh === '/bin/busybox' ? 'busybox' : localShell.sh!,
            ...(localShell.sh === '/bin/busybox' ? ['sh'] : []),
          ]
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 40, min: 1 })
    fc.assert(
      fc.property(
        fc.array(fc.oneof(bytes, fc.constantFrom("'", "''", '\\', "\\'", '\n', '\r\n', '$1', '`x`', '\x80', '\xe3')), {
          maxLength: 25,
        }),
        (values) => {
          const texts = values.map((value) =>
            typeof value === 'string' ? value : Buffer.from(value).toString('latin1'),
          )
          const script = `eval ${quote(texts.map((text) => `printf '%s\\0' ${quote(text)}`).join('\n'))}`
          for (const locale of ['C', 'C.UTF-8']) {
            const { stdout } = spawnSync(program!, [...args, '-c', 'eval "$(cat)"'], {
              input: Buffer.from(script, 'latin1'),
              env: { ...process.env, LC_ALL: locale },
            })
            expect(stdout.toString('latin1')).toBe(texts.map((text) => `${text}\0`).join(''))
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  test('values of every kind reach the script and the programs it starts', async () => {
    const values: Readonly<Record<string, string>> = {
      QUOTES: `it's "quoted" \`and\` 'more'`,
      LINES: 'one\ntwo\r\n\n three \n',
      ODD: '\t\x01\x7f\\ \\n %s $(id) ü 🦊 \u0080',
      EMPTY: '',
    }
    const variables = Object.entries(values).map(([key, value]) => variable(key, value, { raw: true }))
    const script = Object.keys(values).map(
      (key) => `printf '%s' "$${key}" >${key}; env -u OTHER sh -c 'printf %s "$${key}"' >${key}.env`,
    )
    const { outcome } = await run(environment, payload({ script, variables }))
    expect(outcome).toEqual({ state: 'success' })
    for (const [key, value] of Object.entries(values)) {
      expect(hex(readFileSync(join(directory(), key), 'utf8'))).toBe(hex(value))
      expect(hex(readFileSync(join(directory(), `${key}.env`), 'utf8'))).toBe(hex(value))
    }
  })

  test('come in GitLab’s order, expanded once', async () => {
    const { trace } = await run(
      environment,
      payload({
        variables: [
          variable('A', 'first'),
          variable('A', 'second'),
          variable('B', '<$A ${A} $$A $C>'),
          variable('C', '$A'),
          variable('RAW', '$A', { raw: true }),
          variable('CONFIG', 'job'),
          variable('GOPATH', '$CI_PROJECT_DIR/.go'),
          variable('CI_SERVER', 'mine'),
          variable('CI_RUNNER_VERSION', 'mine'),
        ],
        script: [
          'echo "$B|$C|$RAW|$CONFIG|$CONFIG_ONLY|$GOPATH|$CI_SERVER|$CI_RUNNER_VERSION|$CI_CONCURRENT_ID|$CI_JOB_STATUS|$CI_BUILDS_DIR"',
        ],
      }),
      {
        environmentVariables: [
          { key: 'CONFIG', value: 'config' },
          { key: 'CONFIG_ONLY', value: 'from $A' },
        ],
      },
    )
    const home = environment.home
    expect(trace).toContain(
      `\n<second second $A $A>|second|$A|job|from second|${home}/builds/tok123/0/group/project/.go|mine|0.1.0|0|running|${home}/builds\n`,
    )
  })

  test('of type file are files that only the job’s user can read, beside the project, gone when it has ended', async () => {
    const content = 'secret\nwith lines\n'
    const { outcome, trace } = await run(
      environment,
      payload({
        variables: [variable('KEY', content, { file: true, masked: true }), variable('NAMED', 'at $KEY')],
        script: [
          'ls -ld "$KEY" | cut -c1-10',
          'ls -ld "$RUNNER_TEMP_PROJECT_DIR" | cut -c1-10',
          'echo "$NAMED"',
          'cat "$KEY"',
        ].map((line) =>
          localShell.busyboxOnly === true ? line.replace('| cut -c1-10', '').replace('ls', '/bin/ls') : line,
        ),
      }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\n-rw-------')
    expect(trace).toContain('\ndrwx------')
    expect(trace).toContain(`\nat ${directory()}.tmp/KEY\n`)
    expect(trace).toContain(content)
    expect(existsSync(`${directory()}.tmp/KEY`)).toBe(false)
    expect(readdirSync(environment.home, { recursive: true }).filter((name) => String(name).includes('KEY'))).toEqual(
      [],
    )
  })

  test('what a job that was killed left in its temporary directory is gone before the next one begins', async () => {
    await run(
      environment,
      payload({
        script: [
          'mkdir -p "$RUNNER_TEMP_PROJECT_DIR"; echo OLD=1 >"$GITLAB_ENV"; touch "$RUNNER_TEMP_PROJECT_DIR/.hidden"; kill -9 $$',
        ],
      }),
    )
    expect(readdirSync(`${directory()}.tmp`).toSorted()).toEqual(['.hidden', 'gitlab_runner_env'])
    const { trace } = await run(
      environment,
      payload({
        script: ['ls -A "$RUNNER_TEMP_PROJECT_DIR"; echo "<${OLD:-}>"'].map((line) =>
          line.replace('ls', localShell.busyboxOnly === true ? '/bin/ls' : 'ls'),
        ),
      }),
    )
    expect(trace).toMatch(/\$ .*\n<>\n/)
    expect(statSync(`${directory()}.tmp`).mode & 0o777).toBe(0o700)
  })

  test('what a job hid behind links that lead nowhere in its temporary directory is gone, too', async () => {
    const hide =
      'echo OLD=1 >"$GITLAB_ENV"; ln -s /nowhere/a "$RUNNER_TEMP_PROJECT_DIR/!a"; ln -s /nowhere/b "$RUNNER_TEMP_PROJECT_DIR/!b"'
    for (const killed of ['', '; kill -9 $$']) {
      await run(environment, payload({ script: [hide + killed] }))
      expect(existsSync(`${directory()}.tmp/gitlab_runner_env`)).toBe(killed !== '')
      const { outcome, trace } = await run(environment, payload({ script: ['echo "<${OLD:-}>"'] }))
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('\n<>\n')
    }
  })

  test('of type file are not written where a job before led its temporary directory to', async () => {
    await run(
      environment,
      payload({
        script: ['rm -rf "$RUNNER_TEMP_PROJECT_DIR"; mkdir ../elsewhere; ln -s elsewhere "$RUNNER_TEMP_PROJECT_DIR"'],
      }),
    )
    const { outcome, trace } = await run(
      environment,
      payload({
        variables: [variable('KEY', 'content', { file: true })],
        script: ['cat "$KEY"', 'echo ../elsewhere/*'],
      }),
    )
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('\ncontent')
    expect(trace).toContain('\n../elsewhere/*\n')
  })

  test('of two megabytes are seen by the script, and do not keep it from starting programs', async () => {
    const huge = 'x'.repeat(2_000_000)
    const variables = [
      variable('HUGE', huge),
      variable('FILE', huge, { file: true }),
      ...Array.from({ length: 30 }, (_, index) => variable(`BIG_${index}`, 'y'.repeat(100_000))),
    ]
    const { outcome, trace } = await run(
      environment,
      payload({
        variables,
        script: ['echo ${#HUGE} ${#BIG_0} ${#BIG_29}', 'sh -c "echo \\${#HUGE}"', 'cat "$FILE" >copy'],
      }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\n2000000 100000 100000\n')
    expect(trace).toContain('\n0\n')
    expect(trace).toContain('WARNING: variable HUGE (2000006 bytes) is too large for the environment of programs')
    expect(statSync(join(directory(), 'copy')).size).toBe(2_000_000)
  })

  test('whose names no shell can have are left out, and said so', async () => {
    const names = ['A-B', '1A', '', 'A B', 'A=B', 'Ä', 'A;touch x', '../../x']
    const { outcome, trace } = await run(
      environment,
      payload({
        variables: [
          ...names.map((name) => variable(name, 'v', { file: name.includes('/') })),
          variable('GOOD', 'good'),
        ],
        script: ['echo $GOOD'],
      }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\ngood\n')
    for (const name of names) expect(trace).toContain(`variable ${JSON.stringify(name)} is ignored`)
  })

  test('named like any variable that the shell itself has do not break the script', async () => {
    const shellsOwn = execFileSync('bash', ['--norc', '-c', 'compgen -v'], { encoding: 'utf8' }).trim().split('\n')
    const names = [
      ...new Set([
        ...shellsOwn,
        'ENV',
        'BASH_ENV',
        'LC_ALL',
        'LANG',
        'LINENO',
        'PS4',
        'TMPDIR',
        'CDPATH',
        'GLOBIGNORE',
        'IGNOREEOF',
        'MAIL',
        'MAILPATH',
        'MAILCHECK',
        'HISTSIZE',
        'TERM',
        'NLSPATH',
        'POSIXLY_CORRECT',
        '_',
      ]),
    ]
    const { outcome, trace } = await run(
      environment,
      payload({
        variables: names
          .filter((name) => name !== 'PATH' && name !== 'LD_PRELOAD')
          .map((name) => variable(name, 'a value')),
        script: ['echo "reached $HOSTNAME"'],
      }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\nreached a value\n')
  })
})
