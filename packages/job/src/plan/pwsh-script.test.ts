import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { payload, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { loginDirectory } from '../build-paths.ts'
import { pwshCommand } from '../script/pwsh-command.ts'
import { pwshQuote } from '../script/pwsh-quote.ts'
import { JobPlan } from './job-plan.ts'

const jobMarker = { name: 'RUNNER_CORE_JOB', value: 'abc' }
const plan = (job: ReturnType<typeof payload>): JobPlan =>
  new JobPlan({
    payload: job,
    environmentVariables: [],
    runner,
    environment: { shell: 'pwsh', buildsDir: 'builds', concurrentId: 2, jobMarker },
  })
const golden = (name: string): string => `../../test/golden/${name}`
const variables = [
  variable('GREETING', 'it\'s “quoted” ‘so’ $HOME `n "x"\nsecond line', { raw: true }),
  variable('SECRET_FILE', 'content of $GREETING', { file: true }),
  variable('HUGE', 'x'.repeat(130_000)),
]

// Golden files: PowerShell is not on most machines that run these tests, so what is generated is looked at by people
// when it changes.
test('a job without sources', async () => {
  const job = payload({
    script: ['Write-Output "hi $GREETING"', 'if ($true) {\n  exit 3\n}'],
    afterScript: ['"after"'],
    variables,
  })
  const text = plan(job).script('NONCE').toString().replaceAll('x'.repeat(130_000), 'x…')
  await expect(text).toMatchFileSnapshot(golden('pwsh-script.ps1'))
})

test('an after_script, which takes what the script left for it, traced', async () => {
  const job = payload({ afterScript: ["'after'"], variables: [variable('CI_DEBUG_TRACE', 'true')] })
  await expect(plan(job).afterScript('NONCE', 'failed').toString()).toMatchFileSnapshot(golden('pwsh-after-script.ps1'))
})

test('sources are got by the shell that git brings', async () => {
  const job = gitJob('https://gitlab-ci-token:job-token-value@gitlab.invalid/group/project.git', 'a'.repeat(40), {
    variables: [variable('GET_SOURCES_ATTEMPTS', '2')],
  })
  await expect(plan(job).script('NONCE').toString()).toMatchFileSnapshot(golden('pwsh-sources.ps1'))
})

test('a text is one expression, whatever quotes are in it', () => {
  expect(pwshQuote(`a'b‘c’d‚e‛f"$x`)).toBe(`'a''b‘‘c’’d‚‚e‛‛f"$x'`)
  expect(pwshQuote(`${loginDirectory}/builds`)).toBe(`('' + $rc_home + '/builds')`)
  expect(pwshQuote('')).toBe("''")
})

test('the command line holds nothing of the script', () => {
  const command = pwshCommand({ jobMarker, scriptBytes: 1234 })
  expect(command).toMatch(
    /^export RUNNER_CORE_JOB=abc; ulimit -m \d+ 2>\/dev\/null; exec pwsh -NoProfile -NoLogo -NonInteractive -EncodedCommand [A-Za-z0-9+/=]+ 2>&1$/,
  )
  const [, encoded] = /-EncodedCommand (\S+)/.exec(command)!
  expect(Buffer.from(encoded!, 'base64').toString('utf16le')).toContain('[byte[]]::new(1234)')
})
