import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConfig } from './parse-config.ts'
import { ConfigError } from './problem.ts'

const readFile = (path: string): string => {
  if (path.endsWith('.pem')) return `content of ${path}`
  throw Object.assign(new Error(`no file ${path}`), { code: 'ENOENT' })
}

const runner = `[[runners]]
name = "a"
url = "https://gitlab.example.com"
token = "glrt-secret-token"
executor = "instance"
`
const minimal = `${runner}[runners.autoscaler]
plugin = "aws"
`
const second = (name: string, plugin: string): string =>
  minimal.replace('name = "a"', `name = "${name}"`).replace('"aws"', `"${plugin}"`)

function problemsOf(toml: string): readonly string[] {
  try {
    parseConfig(toml, { readFile })
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    throw error
  }
  return []
}

test('a minimal configuration has the documented defaults', () => {
  const { settings, warnings } = parseConfig(minimal, { readFile })
  expect(warnings).toEqual([])
  expect(settings).toMatchObject({
    concurrent: Number.POSITIVE_INFINITY,
    checkIntervalMs: 3_000,
    shutdownTimeoutMs: 30_000,
  })
  expect(settings.runners[0]).toMatchObject({
    shell: 'bash',
    limit: Number.POSITIVE_INFINITY,
    outputLimitBytes: 4_194_304,
  })
  expect(settings.runners[0]?.autoscaler).toMatchObject({
    capacityPerInstance: 1,
    maxUseCount: 0,
    instanceAcquireTimeoutMs: 900_000,
    deleteInstancesOnShutdown: true,
    scaleThrottle: { perSecond: 100 },
    connector: { hostKeyChecking: 'pin', timeoutMs: 600_000 },
    policies: [],
  })
})

test('every key is read into its setting', () => {
  const { settings } = parseConfig(
    `concurrent = 40
check_interval = 0.5
log_level = "debug"
log_format = "json"
listen_address = "[::1]:9252"
shutdown_timeout = "7s"
state_dir = "/srv/runner"
state_key_file = "/srv/runner.key"
${runner}id = 12
tls-ca-file = "ca.pem"
tls-cert-file = "cert.pem"
tls-key-file = "key.pem"
shell = "sh"
builds_dir = "/builds"
min_free_space = "100MB"
cache_dir = "/cache"
artifact_hosts = ["minio.lan", "FD00::1"]
debug_trace_disabled = true
environment = ["A=1", "B=x=y"]
pre_get_sources_script = "echo 1"
post_get_sources_script = "echo 2"
pre_build_script = """
echo 3
"""
post_build_script = "echo 4"
clone_url = "https://git.example.com/gitlab"
prepare_timeout = "10m"
get_sources_timeout = "1m30s"
custom_build_dir = { enabled = true }
feature_flags = { FF_SCRIPT_SECTIONS = true, FF_TIMESTAMPS = false }
limit = 30
request_concurrency = 2
strict_check_interval = true
output_limit = 1
detach = false
reconnect_grace = "20s"
unhealthy_requests_limit = 5
unhealthy_interval = "5m"
job_status_final_update_retry_limit = 4
[[runners.monitoring.job_queuing_durations]]
periods = ["* * * * * * *"]
timezone = "UTC"
threshold = "1m30s"
jobs_running_for_project = "^0$"
[runners.cache]
Type = "s3"
Path = "caches"
Shared = true
MaxUploadedArchiveSize = 1000
[runners.cache.s3]
ServerAddress = "minio.example.com:9000"
BucketName = "runner"
BucketLocation = "eu-west-1"
AccessKey = "AKIA"
SecretKey = "hush-hush"
SessionToken = "session"
AuthenticationType = "access-key"
Insecure = true
PathStyle = true
[runners.autoscaler]
fleet = "linux"
plugin = "static"
capacity_per_instance = 3
max_use_count = 10
max_instances = 20
instance_ready_command = "true"
instance_acquire_timeout = "1m"
update_interval = "2m"
update_interval_when_expecting = "1s"
deletion_retry_interval = "3m"
shutdown_deletion_interval = "4s"
shutdown_deletion_retries = 5
failure_threshold = 6
delete_instances_on_shutdown = false
unknown_instances = "leave"
take_over_group = true
instance_operation_time_buckets = [1]
instance_creation_time_buckets = [2, 0.5]
instance_is_running_time_buckets = [3]
instance_deletion_time_buckets = [4]
instance_readiness_time_buckets = [5]
instance_life_duration_buckets = [6]
[runners.autoscaler.plugin_config.instances.one]
internal_addr = "10.0.0.1"
[runners.autoscaler.state_storage]
enabled = true
dir = "/srv/state"
keep_instance_with_acquisitions = true
[runners.autoscaler.scale_throttle]
limit = 0.1
burst = 2
[runners.autoscaler.connector_config]
os = "linux"
arch = "arm64"
protocol = "ssh"
protocol_port = 2222
username = "ci"
password = "hush"
key_path = "id.pem"
agent_socket = "/run/agent"
use_static_credentials = true
use_external_addr = true
keepalive = "10s"
timeout = "1m"
host_key_checking = "strict"
[[runners.autoscaler.policy]]
periods = ["* 8-15 * * mon-fri"]
timezone = "Europe/Berlin"
idle_count = 5
idle_time = "20m0s"
scale_factor = 1.5
scale_factor_limit = 9
preemptive_mode = true
`,
    { readFile },
  )
  expect(settings).toEqual({
    concurrent: 40,
    checkIntervalMs: 500,
    logLevel: 'debug',
    logFormat: 'json',
    listenAddress: { host: '::1', port: 9252 },
    shutdownTimeoutMs: 7_000,
    stateDir: '/srv/runner',
    stateKeyFile: '/srv/runner.key',
    runners: [
      {
        name: 'a',
        id: 12,
        url: 'https://gitlab.example.com',
        token: 'glrt-secret-token',
        tlsCaFile: 'ca.pem',
        tlsCertFile: 'cert.pem',
        tlsKeyFile: 'key.pem',
        executor: 'instance',
        shell: 'sh',
        buildsDir: '/builds',
        minFreeBytes: 104_857_600,
        cacheDir: '/cache',
        artifactHosts: ['minio.lan', 'fd00::1'],
        debugTraceDisabled: true,
        cache: {
          type: 's3',
          path: 'caches',
          shared: true,
          maxUploadedArchiveSize: 1000,
          s3: {
            serverAddress: 'minio.example.com:9000',
            bucketName: 'runner',
            bucketLocation: 'eu-west-1',
            accessKey: 'AKIA',
            secretKey: 'hush-hush',
            sessionToken: 'session',
            authenticationType: 'access-key',
            insecure: true,
            pathStyle: true,
          },
        },
        environment: [
          { key: 'A', value: '1' },
          { key: 'B', value: 'x=y' },
        ],
        preGetSourcesScript: 'echo 1',
        postGetSourcesScript: 'echo 2',
        preBuildScript: 'echo 3\n',
        postBuildScript: 'echo 4',
        cloneUrl: 'https://git.example.com/gitlab',
        featureFlags: { FF_SCRIPT_SECTIONS: true, FF_TIMESTAMPS: false },
        prepareTimeoutMs: 600_000,
        getSourcesTimeoutMs: 90_000,
        customBuildDir: { enabled: true },
        limit: 30,
        requestConcurrency: 2,
        strictCheckInterval: true,
        outputLimitBytes: 1_024,
        detach: false,
        reconnectGraceMs: 20_000,
        unhealthyRequestsLimit: 5,
        unhealthyIntervalMs: 300_000,
        finalUpdateRetryLimit: 4,
        monitoring: {
          jobQueuingDurations: [
            { periods: ['* * * * *'], timezone: 'UTC', thresholdMs: 90_000, jobsRunningForProject: /^0$/ },
          ],
        },
        autoscaler: {
          fleet: 'linux',
          plugin: 'static',
          pluginConfig: { instances: { one: { internal_addr: '10.0.0.1' } } },
          capacityPerInstance: 3,
          maxUseCount: 10,
          maxInstances: 20,
          instanceReadyCommand: 'true',
          instanceAcquireTimeoutMs: 60_000,
          updateIntervalMs: 120_000,
          updateIntervalWhenExpectingMs: 1_000,
          deletionRetryIntervalMs: 180_000,
          shutdownDeletionIntervalMs: 4_000,
          shutdownDeletionRetries: 5,
          failureThreshold: 6,
          deleteInstancesOnShutdown: false,
          unknownInstances: 'leave',
          takeOverGroup: true,
          stateStorage: { enabled: true, dir: '/srv/state', keepInstanceWithAcquisitions: true },
          instanceOperationTimeBuckets: [1],
          instanceCreationTimeBuckets: [2, 0.5],
          instanceIsRunningTimeBuckets: [3],
          instanceDeletionTimeBuckets: [4],
          instanceReadinessTimeBuckets: [5],
          instanceLifeDurationBuckets: [6],
          scaleThrottle: { perSecond: 0.1, burst: 2 },
          connector: {
            os: 'linux',
            arch: 'arm64',
            protocol: 'ssh',
            protocolPort: 2222,
            username: 'ci',
            password: 'hush',
            privateKey: 'content of id.pem',
            agentSocket: '/run/agent',
            useStaticCredentials: true,
            useExternalAddress: true,
            keepaliveMs: 10_000,
            timeoutMs: 60_000,
            hostKeyChecking: 'strict',
          },
          policies: [
            {
              periods: ['* 8-15 * * mon-fri'],
              timezone: 'Europe/Berlin',
              idleCount: 5,
              idleTimeMs: 1_200_000,
              scaleFactor: 1.5,
              scaleFactorLimit: 9,
              preemptiveMode: true,
            },
          ],
        },
      },
    ],
  })
})

test('five mistakes are named, all five, with their lines', () => {
  const broken = `concurrent = "ten"
${runner}[runners.autoscaler]
plugin = "aws"
max_instnces = 5
[[runners.autoscaler.policy]]
idle_time = "20"
[[runners.autoscaler.policy]]
timezone = "Mars/Olympus"
${second('b', 'aws')}`
  expect(() => parseConfig(broken, { file: 'c.toml', readFile })).toThrow(
    [
      'c.toml:1: concurrent: expected a whole number ≥ 0, got "ten"',
      'c.toml:9: runners[0].autoscaler.max_instnces: expected a known key, got an unknown one; did you mean max_instances?',
      'c.toml:11: runners[0].autoscaler.policy[0].idle_time: expected a duration such as "20m0s", got "20"',
      'c.toml:13: runners[0].autoscaler.policy[1].timezone: expected an IANA time zone such as "Europe/Berlin", got "Mars/Olympus"',
      'c.toml:19: runners[1].autoscaler.plugin_config: expected an instance group of its own, got that of runners[0]',
    ].join('\n'),
  )
})

describe('one bad value, one problem', () => {
  const global = (line: string): string => `${line}\n${minimal}`
  const inRunner = (line: string): string => minimal.replace('executor', `${line}\nexecutor`)
  const inAutoscaler = (line: string): string => `${minimal}${line}\n`
  test.each([
    [global('concurrent = 1.5'), 'concurrent: expected a whole number ≥ 0, got 1.5'],
    [global('check_interval = "3"'), 'check_interval: expected a number of seconds ≥ 0, or a duration, got "3"'],
    [global('check_interval = nan'), 'check_interval: expected a number of seconds ≥ 0, or a duration, got NaN'],
    [
      global('shutdown_timeout = inf'),
      'shutdown_timeout: expected a number of seconds ≥ 0, or a duration, got Infinity',
    ],
    [global('log_level = "loud"'), 'log_level: expected "debug" or "info" or "warn" or "error", got "loud"'],
    [
      global('listen_address = "9252"'),
      'listen_address: expected an address such as "127.0.0.1:9252" or ":9252", got "9252"',
    ],
    [
      global('listen_address = ":99999"'),
      'listen_address: expected an address such as "127.0.0.1:9252" or ":9252", got ":99999"',
    ],
    [global('toString = 1'), 'toString: expected a known key, got an unknown one'],
    [global('__proto__ = 1'), '__proto__: expected a known key, got an unknown one'],
    ['runners = 1', 'runners: expected an array of one or more, each item a table, got 1'],
    ['runners = [1]', 'runners[0]: expected a table, got 1'],
    [
      minimal.replace('[[runners]]', '[runners]'),
      'runners: expected an array of one or more, each item a table, got a table; did you mean [[runners]]?',
    ],
    [
      inAutoscaler('[runners.autoscaler.policy]'),
      'runners[0].autoscaler.policy: expected an array, each item a table, got a table; did you mean [[runners.autoscaler.policy]]?',
    ],
    [
      inAutoscaler('[[runners.autoscaler.connector_config]]'),
      'runners[0].autoscaler.connector_config: expected a table, got an array; did you mean [runners.autoscaler.connector_config]?',
    ],
    ['runners = []', 'runners: expected an array of one or more, each item a table, got an empty array'],
    ['', 'runners: expected an array of one or more, each item a table, got nothing'],
    ['a = [1\nb', 'expected TOML, got a syntax error in column 1: expected comma or end of structure'],
    [
      minimal.replace('https:', 'ftp:'),
      'runners[0].url: expected an http or https URL without credentials, got "ftp://gitlab.example.com"',
    ],
    [
      minimal.replace('"instance"', '"shell"'),
      'runners[0].executor: expected "instance" or "docker-autoscaler" or "docker", got "shell"',
    ],
    [
      minimal.replace('"glrt-secret-token"', '12345'),
      'runners[0].token: expected a non-empty string on one line, got a number',
    ],
    [
      minimal.replace('secret', '\\n'),
      'runners[0].token: expected a non-empty string on one line, got a string of 12 characters',
    ],
    [
      inRunner('tls-ca-file = "ca.crt"'),
      'runners[0].tls-ca-file: expected the path of a readable file, got "ca.crt" (ENOENT)',
    ],
    [
      inRunner('tls-cert-file = "c.pem"'),
      'runners[0].tls-key-file: expected a path, because tls-cert-file is set, got nothing',
    ],
    [
      inRunner('environment = ["hunter2"]'),
      'runners[0].environment[0]: expected "NAME=value", got a string of 7 characters',
    ],
    [inRunner('shell = "pwsh"'), 'runners[0].shell: expected "bash" or "sh", got "pwsh"'],
    [inRunner('limit = -1'), 'runners[0].limit: expected a whole number ≥ 0, got -1'],
    [
      inRunner('request_concurency = 2'),
      'runners[0].request_concurency: expected a known key, got an unknown one; did you mean request_concurrency?',
    ],
    [inAutoscaler('max_use_count = -1'), 'runners[0].autoscaler.max_use_count: expected a whole number ≥ 0, got -1'],
    [
      inAutoscaler('capacity_per_instance = 0'),
      'runners[0].autoscaler.capacity_per_instance: expected a whole number ≥ 1, got 0',
    ],
    [inAutoscaler('plugin_config = "x"'), 'runners[0].autoscaler.plugin_config: expected a table, got "x"'],
    [inAutoscaler('plugin_config = [1]'), 'runners[0].autoscaler.plugin_config: expected a table, got an array'],
    [
      inAutoscaler('scale_throttle = { limit = -2 }'),
      'runners[0].autoscaler.scale_throttle.limit: expected a number ≥ 0, or -1 for no limit, got -2',
    ],
    [
      inAutoscaler('connector_config = { key_path = "k" }'),
      'runners[0].autoscaler.connector_config.key_path: expected the path of a readable file, got "k" (ENOENT)',
    ],
    [
      inAutoscaler('connector_config = { protocol = "winrm" }'),
      'runners[0].autoscaler.connector_config.protocol: expected "ssh", got "winrm"',
    ],
    [
      inAutoscaler('policy = [{ periods = ["* * * *"] }]'),
      'runners[0].autoscaler.policy[0].periods[0]: expected a cron expression of five fields, got "* * * *"',
    ],
    [
      inAutoscaler('policy = [{ periods = ["99 * * * *"] }]'),
      'runners[0].autoscaler.policy[0].periods[0]: expected a cron expression of five fields, got "99 * * * *"',
    ],
    [
      inAutoscaler('policy = [{ idle_count = 2000-01-01 }]'),
      'runners[0].autoscaler.policy[0].idle_count: expected a whole number ≥ 0, got a date',
    ],
  ])('%#: %s', (toml, problem) => {
    expect(problemsOf(toml)).toEqual([problem])
  })
})

test('keys of GitLab Runner that are not heeded are warned about where nothing is lost', () => {
  const { warnings } = parseConfig(
    `connection_max_age = "1m"\n${runner}token_obtained_at = 2024-01-01T00:00:00Z\n[runners.autoscaler]\nplugin = "aws"\nreservation_throttling = true\n[runners.ssh]\nuser = "ci"\n`,
    {
      readFile,
    },
  )
  expect(warnings).toEqual([
    {
      path: 'connection_max_age',
      message: 'has no effect: a connection to GitLab is closed after a minute without a request',
      line: 1,
    },
    {
      path: 'runners[0].autoscaler.reservation_throttling',
      message: 'has no effect: an idle request for a job pins no instance',
      line: 10,
    },
    { path: 'runners[0].ssh', message: 'has no effect: it is about another executor', line: 11 },
  ])
})

describe('a key of GitLab Runner that would be missed', () => {
  const inRunner = (line: string): string => minimal.replace('[runners.', `${line}\n[runners.`)
  const times = (expires: string): string => inRunner(`token_expires_at = ${expires}`)

  test.each([
    [
      '[session_server]\nlisten_address = ":1"\n',
      'session_server: expected no such key, got a table; remove the table',
    ],
    ['user = "ci"\n', 'user: expected no such key, got "ci"; start the process as this user'],
    ['sentry_dsn = "https://31337@h"\n', 'sentry_dsn: expected no such key, got a string of 15 characters; collect'],
  ])('is a problem with what to do: %#', (top, problem) => {
    expect(problemsOf(`${top}${minimal}`)).toEqual([expect.stringContaining(problem)])
  })

  test.each([
    ['referees = { metrics = { queries = 1 } }', 'referees'],
    ['clean_git_config = false', 'clean_git_config'],
    ['artifact = { upload_timeout = "1m" }', 'artifact'],
    ['token_expires_at = 2030-01-01T00:00:00Z', 'token_expires_at'],
    ['use_slot_cgroups = true', 'use_slot_cgroups'],
    ['cache = { s3 = { ServerSideEncryption = "KMS" } }', 'cache.s3.ServerSideEncryption'],
    ['feature_flags = { FF_HASH_CACHE_KEYS = true }', 'feature_flags.FF_HASH_CACHE_KEYS'],
  ])('may be ignored with a warning where that is allowed: %s', (line, key) => {
    const [problem, ...more] = problemsOf(inRunner(line))
    expect(problem).toMatch(
      new RegExp(`^runners\\[0\\]\\.${key}: expected .*, or run with --allow-ignored runners\\.${key}$`),
    )
    expect(more).toEqual([])
    const { warnings } = parseConfig(inRunner(line), { readFile, allowIgnored: [`runners.${key}`] })
    expect(warnings).toMatchObject([{ path: `runners[0].${key}`, message: 'ignored, as --allow-ignored says' }])
  })

  test('is nothing where its value turns it off', () => {
    for (const line of ['clean_git_config = true', 'use_slot_cgroups = false', 'artifact = {}', 'labels = {}'])
      expect(problemsOf(inRunner(line)), line).toEqual([])
    expect(problemsOf(inRunner('experimental = { boot_verify = { enabled = false, timeout = "5m" } }'))).toEqual([])
    expect(problemsOf(times('0001-01-01T00:00:00Z'))).toEqual([])
  })
})

test.each([
  ['Type = "s3"', ['BucketName']],
  ['Type = "s3"\ns3 = { BucketName = "b", AccessKey = "k" }', ['SecretKey']],
  ['Type = "s3"\ns3 = { BucketName = "b", AuthenticationType = "access-key" }', ['AccessKey', 'SecretKey']],
  ['Type = "s3"\ns3 = { BucketName = "b", AuthenticationType = "iam", AccessKey = "k" }', []],
  ['Type = "s3"\ns3 = { BucketName = "b" }', []],
  ['s3 = { AccessKey = "k" }', []],
])('a cache in a bucket needs what it takes to reach it: %j', (keys, missing) => {
  expect(problemsOf(`${minimal}[runners.cache]\n${keys}\n`)).toEqual(
    missing.map((key) => `runners[0].cache.s3.${key}: expected a value, because Type is "s3", got nothing`),
  )
})

test.each([
  'ServerAddress = "https://s3.example.com"',
  'ServerAddress = "a/b"',
  'BucketName = "../b"',
  'SecretKey = 31337',
])('what is no server, bucket or key: %s', (line) => {
  const [problem, ...more] = problemsOf(`${minimal}[runners.cache.s3]\n${line}\n`)
  expect([problem, more]).toEqual([expect.stringMatching(/^runners\[0\]\.cache\.s3\./), []])
  expect(problem).not.toContain('31337')
})

test.each([
  ['preemptive_mode = true', true],
  ['preemptive_mode = true\nidle_count = 0\nscale_factor = 0.0', true],
  ['preemptive_mode = true\nidle_count = 1', false],
  ['preemptive_mode = true\nscale_factor = 0.5', true],
  ['preemptive_mode = false', false],
  ['', false],
])('a policy that waits for instances that it never makes is warned about: %j', (policy, isWarned) => {
  const { warnings } = parseConfig(
    `${minimal}[[runners.autoscaler.policy]]\n[[runners.autoscaler.policy]]\n${policy}\n`,
    { readFile },
  )
  const warning = {
    path: 'runners[0].autoscaler.policy[1].preemptive_mode',
    message:
      'expected false, or an idle_count above 0, got neither: without it no first instance is launched and no job is requested',
    line: 10,
  }
  expect(warnings).toEqual(isWarned ? [warning] : [])
})

test.each<[string, string, string, boolean]>([
  [
    'gce',
    'project = "p", zone = "z", name = "n"',
    'project = "p", zone = "z", name = "n", credentials_file = "k"',
    true,
  ],
  ['gce', 'project = "p", zone = "z", name = "n"', 'project = "p", zone = "y", name = "n"', false],
  ['gce', 'name = "n", credentials_file = "j"', 'name = "n", credentials_file = "k"', false],
  [
    'azure',
    'subscription_id = "s", resource_group_name = "g", name = "n"',
    'name = "n", subscription_id = "s", resource_group_name = "g", x = 1',
    true,
  ],
  ['aws', 'name = "n", profile = "j"', 'name = "n", profile = "k"', false],
])('%s { %s } and { %s } are one group: %s', (plugin, one, other, isOne) => {
  const runners = `${second('b', plugin)}plugin_config = { ${one} }\n${second('c', plugin)}plugin_config = { ${other} }\n`
  const clash = ['runners[1].autoscaler.plugin_config: expected an instance group of its own, got that of runners[0]']
  expect(problemsOf(runners)).toEqual(isOne ? clash : [])
})

test('two runners may not manage the same machines', () => {
  const problems = (other: string): readonly string[] => problemsOf(minimal + other)
  expect(problems(second('a', 'local'))).toEqual([
    'runners[1].name: expected a name of its own, got that of runners[0]',
  ])
  expect(problems(second('b', 'aws'))).toEqual([
    'runners[1].autoscaler.plugin_config: expected an instance group of its own, got that of runners[0]',
  ])
  expect(problems(`${second('b', 'local')}fleet = "a"\n`)).toEqual([
    'runners[1].autoscaler.fleet: expected a fleet of its own, got that of runners[0]',
  ])
  expect(problems(`${second('b', 'aws')}plugin_config = { name = "other" }\n`)).toEqual([])
  expect(problemsOf(second('b', 'local') + second('c', 'local'))).toEqual([])
})

test('two runners may not log in to one static host, however it is named', () => {
  const runnerWith = (name: string, hosts: string): string =>
    `${second(name, 'static')}connector_config = { username = "ci" }\nplugin_config = { instances = { ${hosts} } }\n`
  const problems = (hosts: string): readonly string[] =>
    problemsOf(
      runnerWith('a', 'x = { internal_addr = "Build.example", external_addr = "1.2.3.4" }') + runnerWith('b', hosts),
    )
  const clash = [
    'runners[1].autoscaler.plugin_config.instances.z: expected a host, or a user there, of its own, got that of runners[0]',
  ]
  expect(problems('y = { internal_addr = "other" }, z = { internal_addr = "build.example:22" }')).toEqual(clash)
  expect(problems('z = { external_addr = "build.example", username = "ci" }')).toEqual(clash)
  expect(problems('z = { internal_addr = "build.example", protocol_port = 2222 }')).toEqual([])
  expect(problems('z = { internal_addr = "build.example", username = "other" }')).toEqual([])
  expect(problems('z = { internal_addr = "1.2.3.4" }')).toEqual([])
  expect(problems('z = 1, y = { internal_addr = "a b" }, w = { internal_addr = 5 }')).toEqual([])
})

test('a message never shows a token or password', () => {
  const secrets = ['glrt-secret', 'hunter2']
  fc.assert(
    fc.property(fc.constantFrom('\\n', '\\u0000'), fc.constantFrom(...secrets), (breaker, secret) => {
      const shown = problemsOf(minimal.replace('glrt-secret-token', secret + breaker)).join()
      expect(shown).not.toContain(secret)
      expect(shown).not.toBe('')
    }),
  )
})

describe('a value that may be secret is never shown', () => {
  const inRunner = (line: string): string => minimal.replace('executor', `${line}\nexecutor`)
  const connector = (entry: string): string => `${minimal}connector_config = { ${entry} }\n`
  test.each([
    [connector('password = 31337'), 'connector_config.password: expected a non-empty string, got a number'],
    [connector('password = ["31337"]'), 'connector_config.password: expected a non-empty string, got an array'],
    [
      connector('key_path = """-----BEGIN\n31337"""'),
      'key_path: expected the path of a readable file, got a string of 16 characters',
    ],
    [connector('key_path = 31337'), 'key_path: expected the path of a readable file, got a number'],
    [
      inRunner('environment = "A=31337"'),
      'environment: expected an array, each item "NAME=value", got a string of 7 characters',
    ],
    ...[
      ['https://u:31337@h', 'https://[hidden]@h'],
      ['https://31337@h/p', 'https://[hidden]@h/p'],
      ['https://u:p31337/x@h:1', 'https://[hidden]@h:1'],
      ['u:31337@h', '[hidden]@h'],
      [`https://u:${'31337'.repeat(20)}@h`, 'https://[hidden]@h'],
    ].map(([url, shown]) => [
      minimal.replace('https://gitlab.example.com', url!),
      `url: expected an http or https URL without credentials, got "${shown}"`,
    ]),
  ])('%#', (toml, problem) => {
    const [shown, ...more] = problemsOf(toml!)
    expect(shown).toContain(problem)
    expect(more).toEqual([])
    expect(shown).not.toMatch(/31337|337@/)
  })
})

test('no text makes it throw anything but a ConfigError', () => {
  const key = fc.constantFrom(
    'concurrent',
    'runners',
    'a.b',
    '"x"',
    '[runners]',
    '[[runners]]',
    '[runners.autoscaler]',
    '[[runners.autoscaler.policy]]',
    'name',
    'url',
    'token',
    'tls-ca-file',
    'plugin',
    'plugin_config',
    'periods',
    'idle_time',
    'environment',
    'listen_address',
  )
  const value = fc.constantFrom(
    '',
    '= 1',
    '= -0',
    '= inf',
    '= 99999999999999999999',
    '= "x"',
    '= ["x", 1]',
    '= {}',
    '= { a = [{}] }',
    '= """\nname = 1\n"""',
    '= 2000-01-01',
    '= true',
    '= [',
    '= "\\u0000"',
  )
  const line = fc.oneof(
    fc.tuple(key, value).map((parts) => parts.join(' ')),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      problemsOf(lines.join('\n'))
    }),
    { numRuns: 500 },
  )
})

describe('feature flags', () => {
  const withFlags = (lines: string): string => `${minimal}[runners.feature_flags]\n${lines}\n`

  test('that are heeded are read; those that change nothing warn', () => {
    const { settings, warnings } = parseConfig(withFlags('FF_TIMESTAMPS = false\nFF_USE_FASTZIP = true'), { readFile })
    expect(settings.runners[0]?.featureFlags).toEqual({ FF_TIMESTAMPS: false })
    expect(warnings).toMatchObject([
      { path: 'runners[0].feature_flags.FF_USE_FASTZIP', message: expect.stringMatching(/^has no effect: /) },
    ])
  })

  test.each([
    ['FF_TIMESTAMP = true', 'FF_TIMESTAMP: expected a known key, got an unknown one; did you mean FF_TIMESTAMPS?'],
    ['FF_TIMESTAMPS = "true"', 'FF_TIMESTAMPS: expected true or false, got "true"'],
    ['FF_ENABLE_JOB_CLEANUP = true', 'FF_ENABLE_JOB_CLEANUP: expected false or no such key, got true; work trees stay'],
  ])('%s is a problem', (line, problem) => {
    expect(problemsOf(withFlags(line))).toEqual([expect.stringContaining(`runners[0].feature_flags.${problem}`)])
  })

  test('that are off change nothing where they could not be on', () => {
    expect(problemsOf(withFlags('FF_ENABLE_JOB_CLEANUP = false'))).toEqual([])
  })

  test('are a table', () => {
    expect(problemsOf(minimal.replace('[runners.', 'feature_flags = true\n[runners.'))).toEqual([
      'runners[0].feature_flags: expected a table of feature flags, got true',
    ])
  })
})

test('url and token may name variables of the environment, which no message shows', () => {
  const toml = minimal
    .replace('"https://gitlab.example.com"', '"https://${HOST}/below"')
    .replace('"glrt-secret-token"', '"$TOKEN"')
  const environment = { HOST: 'gitlab.lan', TOKEN: 'glrt-31337' }
  const { settings } = parseConfig(toml, { readFile, environment })
  expect(settings.runners[0]).toMatchObject({ url: 'https://gitlab.lan/below', token: 'glrt-31337' })
  const problems = (given: Record<string, string>): string => {
    try {
      parseConfig(toml, { readFile, environment: given })
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(problems({ HOST: 'gitlab.lan' })).toContain(
    'runners[0].token: expected the environment variable TOKEN to be set, got nothing',
  )
  expect(problems({ ...environment, TOKEN: '31337\n' })).not.toContain('31337')
})

test('what register and the page of GitLab Runner write is read as it is meant', () => {
  const { settings } = parseConfig(
    `log_level = "warning"\n${minimal.replace('[runners.', 'builds_dir = ""\ncache_dir = ""\nshell = ""\n[runners.')}`,
    { readFile },
  )
  expect(settings.logLevel).toBe('warn')
  expect(settings.runners[0]).toMatchObject({ buildsDir: 'builds', cacheDir: 'cache', shell: 'bash' })
})
