import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { afterAll, describe, expect, test } from 'vitest'
import { EnvironmentError, type ScriptRun } from '../src/job-environment.ts'
import { JobError } from '../src/job-error.ts'
import type { JobArtifact } from '../src/job-payload.ts'
import { localShells } from './local-shells.ts'

const after = { afterScript: ['echo "after: $CI_JOB_STATUS"'] }

describe.each(localShells.slice(0, 2))('in $name', (localShell) => {
  const environment = new LocalEnvironment({ localShell, graceMs: 300 })
  afterAll(() => environment[Symbol.dispose]())
  const stopAt = (text: string, controller: AbortController, reason?: unknown) => (trace: string) => {
    if (trace.includes(text)) controller.abort(reason)
  }
  const filesLeft = () =>
    readdirSync(join(environment.home, 'builds'), { recursive: true }).filter((name) =>
      String(name).includes('SECRET_FILE'),
    )

  test.each([
    [['true'], 'success', { state: 'success' }],
    [['exit 3'], 'failed', { state: 'failed', reason: 'script_failure', exitCode: 3 }],
    [['kill -9 $$'], 'failed', { state: 'failed', reason: 'script_failure', exitCode: 137 }],
  ])('after %j comes after_script, in a shell of its own', async (script, status, expected) => {
    const { outcome, trace } = await run(
      environment,
      payload({ script: ['LOCAL=1', ...script], afterScript: [...after.afterScript, 'echo "<${LOCAL:-}>"', 'exit 9'] }),
    )
    expect(outcome).toMatchObject(expected)
    expect(trace).toContain(`Running after_script\n$ echo "after: $CI_JOB_STATUS"\nafter: ${status}\n`)
    expect(trace).toContain('\n<>\n')
    expect(trace).toContain('WARNING: after_script failed, but job will continue unaffected: exit status 9\n')
  })

  test('whoever asks is told each stage as it begins, and when none is under way', async () => {
    const stages: (string | undefined)[] = []
    const job = payload({ script: ['exit 3'], afterScript: ['true'] })
    await run(environment, job, { onStage: (stage) => stages.push(stage) })
    expect(stages).toEqual([
      'prepare_executor',
      'prepare_script',
      'get_sources',
      'step_script',
      undefined,
      'after_script',
      undefined,
    ])
    stages.length = 0
    const stopped = new AbortController()
    const files = [variable('SECRET_FILE', 'content', { file: true })]
    await run(environment, payload({ script: ['echo begun; sleep 30'], variables: files }), {
      onStage: (stage) => stages.push(stage),
      onOutput: stopAt('\nbegun', stopped),
      abort: stopped.signal,
    })
    expect(stages.slice(3)).toEqual(['step_script', undefined, 'cleanup_file_variables', undefined])
  })

  test('a failing after_script fails the job when it is told to', async () => {
    const strict = [variable('AFTER_SCRIPT_IGNORE_ERRORS', 'false')]
    expect((await run(environment, payload({ afterScript: ['exit 9'], variables: strict }))).outcome).toMatchObject({
      reason: 'script_failure',
      exitCode: 9,
    })
    expect(
      (await run(environment, payload({ script: ['exit 3'], afterScript: ['exit 9'], variables: strict }))).outcome,
    ).toMatchObject({
      exitCode: 3,
    })
  })

  test('after_script gets what the script left in GITLAB_ENV and its file variables', async () => {
    const { trace } = await run(
      environment,
      payload({
        script: ['echo FOUND=it >>"$GITLAB_ENV"'],
        afterScript: ['echo "$FOUND $(cat "$SECRET_FILE")"'],
        variables: [variable('SECRET_FILE', 'content', { file: true })],
      }),
    )
    expect(trace).toContain('\nit content\n')
    expect(filesLeft()).toEqual([])
  })

  test('without its sources a job has no after_script, and its file variables are gone all the same', async () => {
    const { outcome } = await run(
      environment,
      payload({
        ...after,
        variables: [variable('GIT_STRATEGY', 'fetch'), variable('SECRET_FILE', 'content', { file: true })],
        overrides: { git_info: { ...payload().git_info, repo_url: 'file:///nowhere/project.git' } },
      }),
    )
    expect(outcome).toMatchObject({ code: 'sources_failed' })
    expect(filesLeft()).toEqual([])
  })

  test('canceling stops the script and all it started, and still runs after_script', async () => {
    const canceling = new AbortController()
    const id = uniqueSleep()
    const { outcome, trace } = await run(
      environment,
      payload({
        script: [`setsid sleep ${id} &`, 'trap "echo asked; exit" TERM', 'echo started; while :; do sleep 0.01; done'],
        ...after,
        variables: [variable('SECRET_FILE', 'x', { file: true })],
      }),
      { canceling: canceling.signal, onOutput: stopAt('\nstarted', canceling) },
    )
    expect(outcome).toEqual({ state: 'failed', reason: 'job_canceled', code: 'canceled', message: 'canceled' })
    expect(trace).toContain('\nafter: canceled\n')
    expect(trace).toMatch(/ERROR: Job failed: canceled\n$/)
    expect(processesWith(id)).toEqual([])
    expect(filesLeft()).toEqual([])
  })

  test.each([
    [undefined, 'job_canceled', 'canceled'],
    [
      new JobError('canceled', 'runner_interrupted', 'aborted: terminated'),
      'runner_interrupted',
      'aborted: terminated',
    ],
  ])('abort (%s) ends everything now, without after_script', async (abortReason, reason, message) => {
    const abort = new AbortController()
    const id = uniqueSleep()
    const { outcome, trace } = await run(
      environment,
      payload({
        script: [`echo started; sleep ${id}`],
        ...after,
        variables: [variable('SECRET_FILE', 'x', { file: true })],
      }),
      { abort: abort.signal, onOutput: stopAt('\nstarted', abort, abortReason) },
    )
    expect(outcome).toMatchObject({ state: 'failed', reason, message })
    expect(trace).not.toContain('after:')
    expect(processesWith(id)).toEqual([])
    expect(filesLeft()).toEqual([])
  })

  test('the job’s time limit ends everything, without after_script', async () => {
    const id = uniqueSleep()
    const { outcome, trace } = await run(
      environment,
      payload({ script: [`trap '' TERM; sleep ${id}; sleep ${id}`], ...after, overrides: { timeout_seconds: 0.5 } }),
    )
    expect(outcome).toMatchObject({
      reason: 'job_execution_timeout',
      code: 'timeout',
      message: 'execution took longer than 500ms seconds',
    })
    expect(trace).not.toContain('after:')
    expect(trace).toContain('ERROR: Job failed: execution took longer than')
    expect(processesWith(id)).toEqual([])
  })

  test('the script’s own time limit lets after_script run', async () => {
    const { outcome, trace } = await run(
      environment,
      payload({ script: ['sleep 30'], ...after, variables: [variable('RUNNER_SCRIPT_TIMEOUT', '200ms')] }),
    )
    expect(outcome).toMatchObject({
      reason: 'job_execution_timeout',
      code: 'script_timeout',
      message: 'execution took longer than 200ms (RUNNER_SCRIPT_TIMEOUT)',
    })
    expect(trace).toContain('\nafter: timedout\n')
  })

  test('after_script has a time limit of its own', async () => {
    const { outcome, trace } = await run(
      environment,
      payload({ afterScript: ['sleep 30'], variables: [variable('RUNNER_AFTER_SCRIPT_TIMEOUT', '200ms')] }),
    )
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain(
      'WARNING: after_script failed, but job will continue unaffected: execution took longer than 200ms (RUNNER_AFTER_SCRIPT_TIMEOUT)',
    )
  })

  test('a script that stops its shell is ended by the time limit', async () => {
    const { outcome } = await run(
      environment,
      payload({ script: ['kill -STOP $$'], overrides: { timeout_seconds: 0.3 } }),
    )
    expect(outcome).toMatchObject({ reason: 'job_execution_timeout' })
  })
})

describe('an environment', () => {
  const environment = new LocalEnvironment({ localShell: localShells[0]! })
  afterAll(() => environment[Symbol.dispose]())

  test('that is lost when a failed job keeps its files: the job failed all the same, and nothing is cleaned up', async () => {
    const lost = Object.assign(Object.create(environment) as LocalEnvironment, {
      run: (script: ScriptRun) => environment.run(script),
      killAll: () => environment.killAll(),
      transfer: () => Promise.reject(new EnvironmentError('lost', 'the connection to i-0abc was lost')),
    })
    const artifacts = { upload: () => Promise.resolve(''), download: () => Promise.reject(new Error('none')) }
    const kept: JobArtifact = {
      name: '',
      untracked: false,
      paths: ['log'],
      exclude: [],
      when: 'always',
      artifact_type: 'archive',
      artifact_format: 'zip',
      expire_in: '',
    }
    const job = payload({
      script: ['exit 3'],
      variables: [variable('F', 'x', { file: true })],
      overrides: { artifacts: [kept] },
    })
    const { outcome, trace } = await run(lost, job, { artifacts })
    expect(outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 3 })
    expect(trace).not.toContain('Cleaning up')
  })

  test('that is lost is a system failure, whatever the script would have come to', async () => {
    const lost = Object.assign(Object.create(environment) as LocalEnvironment, {
      run: async () => {
        throw new EnvironmentError('lost', 'the connection to i-0abc was lost')
      },
    })
    const { outcome, trace } = await run(lost, payload({ ...after, variables: [variable('F', 'x', { file: true })] }))
    expect(outcome).toEqual({
      state: 'failed',
      reason: 'runner_system_failure',
      code: 'environment_lost',
      message: 'the connection to i-0abc was lost',
    })
    expect(trace).toContain('ERROR: Job failed (system failure): the connection to i-0abc was lost\n')
    expect(trace).not.toContain('after:')
  })

  test('that goes under the job gives it another, with its script’s own time limit from its beginning there, where the job asks for it', async () => {
    let begun = 0
    const going = Object.assign(Object.create(environment) as LocalEnvironment, {
      run: async (script: ScriptRun) => {
        const end = await environment.run(script)
        begun++
        if (begun === 1) throw new EnvironmentError('lost', 'instance i-0abc is no more', { isGone: true })
        return end
      },
    })
    const { outcome, trace } = await run(
      going,
      payload({
        script: ['echo "begun $CI_JOB_STATUS"; sleep 0.4'],
        ...after,
        variables: [variable('EXECUTOR_JOB_SECTION_ATTEMPTS', '2'), variable('RUNNER_SCRIPT_TIMEOUT', '700ms')],
      }),
    )
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace.match(/^begun running$/gm)).toHaveLength(2)
    expect(trace).toContain(
      'instance i-0abc is no more. Starting again on another slot, attempt 2 of 2 (EXECUTOR_JOB_SECTION_ATTEMPTS).\n',
    )
    expect(trace).toContain('\nafter: success\n')
  })

  test('that cannot end what was left does not change what the script came to', async () => {
    const weak = Object.assign(Object.create(environment) as LocalEnvironment, {
      run: async () => ({ exitCode: 5 }),
      killAll: async () => {
        throw new EnvironmentError('failed', 'process 1 is not ours')
      },
    })
    const { outcome, trace } = await run(weak, payload())
    expect(outcome).toMatchObject({ reason: 'runner_system_failure', code: 'shell_missing' })
    expect(trace).toContain('WARNING: processes of the job may be left on the instance: process 1 is not ours')
  })

  test('that never comes is waited for with reasons, until the job is canceled', async () => {
    const canceling = new AbortController()
    const { outcome, trace } = await run(environment, payload(after), {
      canceling: canceling.signal,
      prepare: async (report, signal) => {
        report('waiting: all 4 instances are in use')
        await delay(5)
        report('waiting: an instance is starting')
        canceling.abort()
        signal.throwIfAborted()
        return environment
      },
    })
    expect(outcome).toMatchObject({ reason: 'job_canceled' })
    expect(trace).toContain(
      'Preparing the "instance" executor\nwaiting: all 4 instances are in use\nwaiting: an instance is starting\n',
    )
    expect(trace).not.toContain('after:')
  })

  test.each([
    [new Error('no slot'), { reason: 'runner_system_failure', code: 'internal', message: 'no slot' }],
    [
      new JobError('unsupported', 'runner_configuration_error', 'no such shell'),
      { reason: 'runner_configuration_error', message: 'no such shell' },
    ],
  ])('that fails to come (%s) decides the outcome', async (error, expected) => {
    const prepare = async (): Promise<never> => {
      throw error
    }
    expect((await run(environment, payload(), { prepare })).outcome).toMatchObject(expected)
  })
})
