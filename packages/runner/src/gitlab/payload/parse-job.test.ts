import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJob } from './parse-job.ts'

const parse = (
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' },
) => parseJob({ headers, body: Buffer.from(JSON.stringify(body)) })

describe('parseJob', () => {
  it('reads all that the runner needs and nothing else', () => {
    const body = {
      id: 5,
      token: 'glcbt-x',
      allow_git_fetch: true,
      job_info: {
        id: 5,
        name: 'test',
        stage: 'build',
        project_id: 9,
        project_name: 'p',
        project_full_path: 'g/p',
        time_in_queue_seconds: 1.5,
        queue_size: 2,
        queue_depth: 0,
        project_jobs_running_on_instance_runners_count: '+Inf',
      },
      git_info: {
        repo_url: 'https://example.com/p.git',
        repo_object_format: 'sha1',
        ref: 'main',
        sha: 'a',
        before_sha: 'b',
        ref_type: 'branch',
        refspecs: ['+refs/x:refs/x'],
        depth: 20,
        protected: null,
      },
      runner_info: { timeout: 60, runner_session_url: null },
      variables: [{ key: 'A', value: 'b\n"c"', public: true, file: false, masked: true, raw: true, extra: 1 }],
      steps: [{ name: 'script', script: ['echo'], timeout: 60, when: 'on_success', allow_failure: false }],
      hooks: [{ name: 'pre_get_sources_script', script: ['true'] }],
      features: { trace_sections: true, token_mask_prefixes: ['x-'], failure_reasons: ['job_canceled'], tracing: null },
      image: { name: 'alpine', executor_opts: { docker: { user: 5 } } },
      services: [],
      artifacts: [{ paths: ['x'] }],
      cache: [{ key: 'deps', paths: ['vendor/'], fallback_keys: null, policy: 'pull', extra: 1 }],
      unknown: { deep: [1] },
    }
    const { id, token, allow_git_fetch, job_info, git_info, variables, steps, hooks, features } = body
    const { id: _, ...jobInfo } = job_info
    const { protected: __, ...gitInfo } = git_info
    const { extra: ___, ...variable } = variables[0]!
    const { tracing: ____, ...jobFeatures } = features
    expect(parse(body)).toEqual({
      job: {
        id,
        token,
        allow_git_fetch,
        job_info: jobInfo,
        git_info: gitInfo,
        timeout_seconds: 60,
        variables: [variable],
        steps,
        hooks,
        cache: [{ key: 'deps', fallback_keys: [], untracked: false, policy: 'pull', paths: ['vendor/'], when: '' }],
        artifacts: [
          {
            name: '',
            untracked: false,
            paths: ['x'],
            exclude: [],
            when: '',
            artifact_type: '',
            artifact_format: '',
            expire_in: '',
          },
        ],
        dependencies: [],
        features: jobFeatures,
        image: { name: 'alpine', entrypoint: [], pull_policy: [], user: '5', platform: '' },
        services: [],
        credentials: [],
        unsupported: ['image'],
      },
    })
  })

  it('takes null and absent for nothing', () => {
    const expected = {
      id: 1,
      token: 't',
      timeout_seconds: 7200,
      variables: [],
      steps: [],
      job_info: { name: '', queue_size: undefined },
      unsupported: [],
    }
    expect(parse({ id: 1, token: 't' })).toMatchObject({ job: expected })
    const nothing = {
      steps: null,
      variables: null,
      job_info: { name: null, queue_size: null },
      git_info: null,
      features: null,
      runner_info: { timeout: -1 },
      image: null,
      run: '',
    }
    expect(parse({ id: 1, token: 't', ...nothing })).toMatchObject({ job: expected })
  })

  it('names every problem, and never a value', () => {
    const parsed = parse({
      id: 1,
      token: 't',
      allow_git_fetch: 'yes',
      job_info: { project_id: 1.5, queue_size: 'many' },
      runner_info: { timeout: '60' },
      variables: [{ key: 'A', value: { secret: 'hush' } }, 'hush', { key: ['hush'], masked: 1 }],
      steps: [{ name: 'script', script: 'hush' }, { script: ['ok', 5] }],
      features: [],
    })
    expect(parsed).toEqual({
      credentials: { id: 1, token: 't' },
      problems: [
        'runner_info.timeout: expected an integer, got a string',
        'allow_git_fetch: expected true or false, got a string',
        'job_info.project_id: expected an integer, got a number',
        'job_info.queue_size: expected an integer, got a string',
        'variables[0].value: expected a string, got an object',
        'variables[1]: expected an object, got a string',
        'variables[2].key: expected a string, got an array',
        'variables[2].masked: expected true or false, got an integer',
        'steps[0].script: expected an array, got a string',
        'steps[1].script[1]: expected a string, got an integer',
        'features: expected an object, got an array',
      ],
    })
  })

  it('reads dependencies: those without artifacts too, whose tokens then do not matter', () => {
    const dependencies = [
      { id: 3, token: 'glcbt-64_x', name: 'build', artifacts_file: { filename: 'artifacts.zip', size: 5 } },
      { id: 4, token: '', name: 'lint', artifacts_file: null },
    ]
    expect(parse({ id: 1, token: 't', dependencies })).toMatchObject({
      job: {
        dependencies: [
          { id: 3, token: 'glcbt-64_x', name: 'build', filename: 'artifacts.zip' },
          { id: 4, token: '', name: 'lint', filename: '' },
        ],
      },
    })
    expect(
      parse({ id: 1, token: 't', dependencies: [{ id: 3, token: 'a\r\nb', artifacts_file: { filename: 'f' } }] }),
    ).toMatchObject({
      problems: ['dependencies[0].token: expected visible ASCII characters'],
    })
  })

  it('reads images, services and credentials', () => {
    const docker = { user: 'node', platform: 'linux/arm64' }
    const image = { name: 'a', entrypoint: [''], pull_policy: ['never'], executor_opts: { docker } }
    const service = {
      name: 'postgres:16',
      alias: 'db,pg',
      command: ['-c', 'x'],
      entrypoint: null,
      variables: [{ key: 'A', value: 'b', raw: true }],
    }
    const credential = { type: 'registry', url: 'r.example', username: 'u', password: 'p' }
    expect(parse({ id: 1, token: 't', image, services: [service], credentials: [credential] })).toMatchObject({
      job: {
        image: { name: 'a', entrypoint: [''], pull_policy: ['never'], ...docker },
        services: [
          {
            name: 'postgres:16',
            alias: 'db,pg',
            command: ['-c', 'x'],
            entrypoint: [],
            pull_policy: [],
            variables: [{ key: 'A', value: 'b', public: false, file: false, masked: false, raw: true }],
          },
        ],
        credentials: [credential],
        unsupported: ['image', 'services'],
      },
    })
    expect(parse({ id: 1, token: 't', image: { name: 5 }, services: [5], credentials: {} })).toMatchObject({
      problems: [
        'image.name: expected a string, got an integer',
        'services[0]: expected an object, got an integer',
        'credentials: expected an array, got an object',
      ],
    })
  })

  it('does not list thousands', () => {
    const parsed = parse({ id: 1, token: 't', variables: Array.from({ length: 5000 }, () => 5) })
    expect(parsed).toMatchObject({ problems: expect.objectContaining({ length: 51, 50: 'and 4950 more' }) })
  })

  it('never throws, and answers with a job or with problems', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        fc.string(),
        (body, contentType) => {
          const parsed = parseJob({ headers: { 'content-type': contentType }, body: Buffer.from(body) })
          if (!('job' in parsed)) expect(parsed.problems.length).toBeGreaterThan(0)
        },
      ),
    )
    const anyJob = fc.record({
      id: fc.constant(1),
      token: fc.constant('t'),
      steps: fc.jsonValue(),
      variables: fc.jsonValue(),
      job_info: fc.jsonValue(),
      image: fc.jsonValue(),
    })
    fc.assert(
      fc.property(anyJob, (body) => {
        const parsed = parse(body)
        if (!('job' in parsed)) expect(parsed.credentials).toEqual({ id: 1, token: 't' })
        else
          for (const step of parsed.job.steps) expect(step.script.every((line) => typeof line === 'string')).toBe(true)
      }),
    )
  })
})

describe('the bounds of a payload', () => {
  const list = (length: number, item: unknown): unknown[] => Array.from({ length }, () => item)

  it.each([
    ['git_info.ref', { git_info: { ref: 'x'.repeat(8_193) } }],
    ['variables[1].value', { variables: [{}, { key: 'A', value: 'x'.repeat(4_194_305) }] }],
    [
      'variables[].value of masked variables together',
      { variables: list(600, { key: 'A', value: 'x'.repeat(1_000), masked: true }) },
    ],
    ['steps', { steps: list(101, { name: 'script' }) }],
    ['artifacts[0].paths', { artifacts: [{ paths: list(10_001, 'x') }] }],
    ['artifacts[0].paths[1]', { artifacts: [{ paths: ['x', 'x'.repeat(65_537)] }] }],
    ['cache[0].paths[0]', { cache: [{ paths: ['x'.repeat(65_537)] }] }],
    ['features.token_mask_prefixes', { features: { token_mask_prefixes: list(1_001, 'x') } }],
  ])('%s has one: a job beyond it can be given back, with the reason', (field, part) => {
    expect(parse({ id: 1, token: 't', ...part })).toEqual({
      problems: [expect.stringMatching(/: more than \d+ (characters|items)$/)],
      credentials: { id: 1, token: 't' },
    })
    expect((parse({ id: 1, token: 't', ...part }) as { problems: string[] }).problems[0]).toContain(`${field}: `)
  })

  it('a body that is too long is not read, but whose it is', () => {
    expect(parse({ id: 7, token: 'glcbt-x', variables: ['x'.repeat(17_000_000)] })).toEqual({
      problems: ['body: more than 16777216 bytes'],
      credentials: { id: 7, token: 'glcbt-x' },
    })
    expect(parse({ variables: ['x'.repeat(17_000_000)], id: 7, token: 'glcbt-x' })).toEqual({
      problems: ['body: more than 16777216 bytes'],
    })
  })
})
