import { describe, expect, test } from 'vitest'
import { parseConfig } from '../parse-config.ts'
import { ConfigError } from '../problem.ts'

const profile = '{"defaultAction":"SCMP_ACT_ALLOW"}'
const readFile = (path: string): string => {
  if (path === 'seccomp.json') return profile
  if (path === 'broken.json') return '{'
  throw Object.assign(new Error(`no file ${path}`), { code: 'ENOENT' })
}

const runner = (executor: string): string => `[[runners]]
name = "a"
url = "https://gitlab.example.com"
token = "glrt-secret-token"
limit = 4
executor = "${executor}"
`
const engine = (docker = ''): string => `${runner('docker')}[runners.docker]\n${docker}\n`
const autoscaler = '[runners.autoscaler]\nplugin = "aws"\n'

function problemsOf(toml: string): readonly string[] {
  try {
    parseConfig(toml, { readFile })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

const dockerOf = (toml: string) => parseConfig(toml, { readFile }).settings.runners[0]?.docker

test('a table without keys has the documented defaults', () => {
  expect(dockerOf(engine())).toEqual({
    tlsVerify: false,
    prewarmImages: [],
    pullPolicies: ['always'],
    allowedImages: [],
    allowedServices: [],
    allowedPrivilegedImages: [],
    allowedPrivilegedServices: [],
    disableEntrypointOverwrite: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    securityOpt: [],
    servicesSecurityOpt: [],
    allowedUsers: [],
    groupAdd: [],
    sysctls: {},
    ulimits: [],
    devices: [],
    deviceCgroupRules: [],
    servicesDevices: {},
    oomKillDisable: false,
    dns: [],
    dnsSearch: [],
    extraHosts: [],
    links: [],
    enableIpv6: false,
    volumes: [],
    volumesFrom: [],
    volumeDriverOptions: {},
    volumeKeep: false,
    disableCache: false,
    tmpfs: {},
    servicesTmpfs: {},
    services: [],
    servicesLimit: Number.POSITIVE_INFINITY,
    waitForServicesMs: 30_000,
    containerLabels: {},
    logOptions: {},
  })
})

test('every key is read into its setting', () => {
  const settings = dockerOf(
    engine(`host = "tcp://10.0.0.1:2376"
tls_cert_path = "/certs"
tls_verify = true
image = "ruby:3.3"
helper_image = "helper:1"
helper_image_flavor = "ubuntu"
prewarm_images = ["ruby:3.3"]
pull_policy = ["if-not-present", "always"]
allowed_pull_policies = ["never"]
allowed_images = ["ruby:*"]
allowed_services = ["postgres:*"]
allowed_privileged_images = ["docker:*"]
allowed_privileged_services = ["docker:*-dind"]
disable_entrypoint_overwrite = true
privileged = true
services_privileged = false
cap_add = ["NET_ADMIN"]
cap_drop = ["DAC_OVERRIDE"]
security_opt = ["no-new-privileges", "seccomp=seccomp.json", "label:disable"]
services_security_opt = ["seccomp=unconfined"]
user = "1000"
allowed_users = ["1000", "root"]
group_add = ["docker"]
userns_mode = "host"
runtime = "runc"
isolation = "default"
pid_mode = "host"
ipcmode = "private"
devices = ["/dev/net/tun", "/dev/sda:/dev/xvda:r"]
device_cgroup_rules = ["c 1:3 mr"]
gpus = "all"
service_gpus = "device=0"
memory = "128m"
memory_swap = "-1"
memory_reservation = "64M"
cpus = "1.5"
cpu_shares = 512
cpuset_cpus = "0,1"
cpuset_mems = "0"
cgroup_parent = "/jobs"
shm_size = 300000
oom_kill_disable = true
oom_score_adjust = 10
service_memory = "1g"
service_memory_swap = "2g"
service_memory_reservation = "512m"
service_cpus = "0.5"
service_cpu_shares = 256
service_cpuset_cpus = "1"
service_cgroup_parent = "/services"
hostname = "builder"
dns = ["8.8.8.8", "::1"]
dns_search = ["", "example.com"]
extra_hosts = ["other-host:127.0.0.1", "six:::1"]
links = ["mysql_container:mysql"]
network_mode = "host"
network_mtu = 1400
enable_ipv6 = true
mac_address = "92:d0:c6:0a:29:33"
volumes = ["/cache", "/srv/a:/a:ro,z", "data:/data"]
volumes_from = ["storage:ro"]
volume_driver = "local"
volume_keep = true
cache_dir = "/var/cache"
disable_cache = true
services_limit = 5
wait_for_services_timeout = 60
[runners.docker.sysctls]
"net.ipv4.ip_forward" = "1"
[runners.docker.ulimit]
nofile = "1024:2048"
rtprio = "99"
[runners.docker.services_devices]
"gpu:*" = ["/dev/dri"]
[runners.docker.volume_driver_ops]
type = "tmpfs"
[runners.docker.tmpfs]
"/tmp" = "rw,noexec"
[runners.docker.services_tmpfs]
"/var/lib/mysql" = "rw"
[runners.docker.container_labels]
team = "$TEAM"
[runners.docker.log_options]
env = "CI_JOB_ID"
labels = "team"
[[runners.docker.services]]
name = "redis:2.8"
alias = "cache"
entrypoint = [""]
command = ["run", "it"]
environment = ["A=1"]`),
  )
  expect(settings).toEqual({
    host: { hostname: '10.0.0.1', port: 2376, isSecure: true },
    tlsCertPath: '/certs',
    tlsVerify: true,
    image: 'ruby:3.3',
    helperImage: 'helper:1',
    helperImageFlavor: 'ubuntu',
    prewarmImages: ['ruby:3.3'],
    pullPolicies: ['if-not-present', 'always'],
    allowedPullPolicies: ['never'],
    allowedImages: ['ruby:*'],
    allowedServices: ['postgres:*'],
    allowedPrivilegedImages: ['docker:*'],
    allowedPrivilegedServices: ['docker:*-dind'],
    disableEntrypointOverwrite: true,
    privileged: true,
    servicesPrivileged: false,
    capAdd: ['NET_ADMIN'],
    capDrop: ['DAC_OVERRIDE'],
    securityOpt: ['no-new-privileges', `seccomp=${profile}`, 'label:disable'],
    servicesSecurityOpt: ['seccomp=unconfined'],
    user: '1000',
    allowedUsers: ['1000', 'root'],
    groupAdd: ['docker'],
    usernsMode: 'host',
    runtime: 'runc',
    isolation: 'default',
    pidMode: 'host',
    ipcMode: 'private',
    sysctls: { 'net.ipv4.ip_forward': '1' },
    ulimits: [
      { name: 'nofile', soft: 1024, hard: 2048 },
      { name: 'rtprio', soft: 99, hard: 99 },
    ],
    devices: [
      { hostPath: '/dev/net/tun', containerPath: '/dev/net/tun', permissions: 'rwm' },
      { hostPath: '/dev/sda', containerPath: '/dev/xvda', permissions: 'r' },
    ],
    deviceCgroupRules: ['c 1:3 mr'],
    servicesDevices: { 'gpu:*': [{ hostPath: '/dev/dri', containerPath: '/dev/dri', permissions: 'rwm' }] },
    gpus: { count: -1, deviceIds: [], capabilities: ['gpu'], options: {} },
    serviceGpus: { deviceIds: ['0'], capabilities: ['gpu'], options: {} },
    memoryBytes: 134_217_728,
    memorySwapBytes: -1,
    memoryReservationBytes: 67_108_864,
    nanoCpus: 1_500_000_000,
    cpuShares: 512,
    cpusetCpus: '0,1',
    cpusetMems: '0',
    cgroupParent: '/jobs',
    shmSizeBytes: 300_000,
    oomKillDisable: true,
    oomScoreAdjust: 10,
    serviceMemoryBytes: 1_073_741_824,
    serviceMemorySwapBytes: 2_147_483_648,
    serviceMemoryReservationBytes: 536_870_912,
    serviceNanoCpus: 500_000_000,
    serviceCpuShares: 256,
    serviceCpusetCpus: '1',
    serviceCgroupParent: '/services',
    hostname: 'builder',
    dns: ['8.8.8.8', '::1'],
    dnsSearch: ['example.com'],
    extraHosts: ['other-host:127.0.0.1', 'six:::1'],
    links: ['mysql_container:mysql'],
    networkMode: 'host',
    networkMtu: 1400,
    enableIpv6: true,
    macAddress: '92:d0:c6:0a:29:33',
    volumes: [
      { destination: '/cache', options: [] },
      { source: '/srv/a', destination: '/a', options: ['ro', 'z'] },
      { source: 'data', destination: '/data', options: [] },
    ],
    volumesFrom: ['storage:ro'],
    volumeDriver: 'local',
    volumeDriverOptions: { type: 'tmpfs' },
    volumeKeep: true,
    cacheDir: '/var/cache',
    disableCache: true,
    tmpfs: { '/tmp': 'rw,noexec' },
    servicesTmpfs: { '/var/lib/mysql': 'rw' },
    services: [
      {
        name: 'redis:2.8',
        alias: 'cache',
        entrypoint: [''],
        command: ['run', 'it'],
        environment: [{ key: 'A', value: '1' }],
      },
    ],
    servicesLimit: 5,
    waitForServicesMs: 60_000,
    containerLabels: { team: '$TEAM' },
    logOptions: { env: 'CI_JOB_ID', labels: 'team' },
  })
})

test('the empty values of a file that `gitlab-runner register` writes are as if they were not there', () => {
  expect(
    dockerOf(
      engine(`host = ""
tls_cert_path = ""
image = ""
hostname = ""
memory = ""
memory_swap = ""
cpus = ""
gpus = ""
isolation = ""
mac_address = ""
network_mode = ""
pull_policy = ""
service_slot_cgroup_template = ""
shm_size = 0
network_mtu = 0
cpu_shares = 0
oom_score_adjust = 0
wait_for_services_timeout = 0
volumes = [""]
devices = [""]`),
    ),
  ).toEqual(dockerOf(engine()))
})

describe('one bad value, one problem', () => {
  const spec = 'expected "[source:]/destination[:options]", got'
  test.each<[string, unknown]>([
    [
      'host = "npipe:////./pipe/docker"',
      'host: expected an address such as "unix:///var/run/docker.sock" or "tcp://10.0.0.1:2376", got "npipe:////./pipe/docker"',
    ],
    ['pull_policy = "sometimes"', 'pull_policy: expected "always" or "if-not-present" or "never", got "sometimes"'],
    ['pull_policy = ["always", 1]', 'pull_policy[1]: expected "always" or "if-not-present" or "never", got 1'],
    [
      'allowed_images = ["ruby:*", "ruby:["]',
      expect.stringMatching(/^allowed_images\[1\]: expected a pattern such as "ruby:\*", got "ruby:\[": /),
    ],
    ['isolation = "hyperv"', 'isolation: expected "default", got "hyperv"'],
    [
      'security_opt = ["systempaths=unconfined"]',
      'security_opt[0]: expected an option of `docker run --security-opt`, got "systempaths=unconfined", which the Engine does not have',
    ],
    [
      'security_opt = ["seccomp=none.json"]',
      'security_opt[0]: expected the path of a seccomp profile, got "none.json" (ENOENT)',
    ],
    [
      'security_opt = ["seccomp=broken.json"]',
      'security_opt[0]: expected the path of a seccomp profile, got "broken.json" (no JSON in it)',
    ],
    [
      'devices = ["/dev/a:/dev/b:rwx"]',
      'devices[0]: expected "/dev/host[:/dev/container[:rwm]]", got "/dev/a:/dev/b:rwx"',
    ],
    ['gpus = "two"', 'gpus: expected GPUs as `docker run --gpus` has them, such as "all" or "device=0", got "two"'],
    ['memory = "much"', 'memory: expected a size such as "128m" or "2g", got "much"'],
    ['memory = 128', 'memory: expected a size such as "128m" or "2g", got 128'],
    ['cpus = "-1"', 'cpus: expected a number of CPUs in a string, such as "1.5", got "-1"'],
    ['ulimit = { nofile = "many" }', 'ulimit.nofile: expected "soft" or "soft:hard", got "many"'],
    ['sysctls = { a = 1 }', 'sysctls.a: expected a string, got 1'],
    ['dns = ["dns.example"]', 'dns[0]: expected an IP address, got "dns.example"'],
    ['mac_address = "92:d0:c6"', 'mac_address: expected a MAC address such as "92:d0:c6:0a:29:33", got "92:d0:c6"'],
    ['extra_hosts = ["nowhere"]', 'extra_hosts[0]: expected "name:address", got "nowhere"'],
    ['volumes = ["a/b:/c"]', `volumes[0]: ${spec} "a/b:/c" (it is not of the form [source:]/destination[:options])`],
    ['volumes = ["/srv/../etc:/c"]', `volumes[0]: ${spec} "/srv/../etc:/c" (a path in it has "..")`],
    ['volumes = ["/srv:/"]', `volumes[0]: ${spec} "/srv:/" (its destination is the root directory)`],
    ['volumes = ["/srv:/a:ro,rw"]', `volumes[0]: ${spec} "/srv:/a:ro,rw" (two of its options exclude each other)`],
    ['volumes = ["/srv:/a:fast"]', `volumes[0]: ${spec} "/srv:/a:fast" ("fast" is no option of it)`],
    ['cache_dir = "cache"', 'cache_dir: expected an absolute path, got "cache"'],
    ['services_limit = -2', 'services_limit: expected a whole number ≥ 0, or -1, got -2'],
    [
      'wait_for_services_timeout = 1.5',
      'wait_for_services_timeout: expected a whole number of seconds, or -1, got 1.5',
    ],
    [
      'log_options = { max-size = "1m" }',
      'log_options.max-size: expected "env" or "labels", got another option of the log',
    ],
    [
      'service_slot_cgroup_template = "a/${slot}"',
      'service_slot_cgroup_template: expected no such key, got "a/${slot}"; name a cgroup with `service_cgroup_parent`, or run with --allow-ignored runners.docker.service_slot_cgroup_template',
    ],
    ['services = [{ alias = "a" }]', 'services[0].name: expected a non-empty string, got nothing'],
    ['priviledged = true', 'priviledged: expected a known key, got an unknown one; did you mean privileged?'],
  ])('%s', (line, problem) => {
    const problems = problemsOf(engine(line)).map((each) => each.replace(/^runners\[0\]\.docker\./, ''))
    expect(problems).toEqual([problem])
  })
})

test('prewarmed images that cannot be, or that no job may have, are told by name', () => {
  const environment = 'environment = ["REGISTRY=r.example.com", "OUTER=Upper"]'
  const lists = `image = "debian:13"
helper_image = "$REGISTRY/helper:1"
allowed_images = ["ruby:*", "!ruby:2", "$REGISTRY/**", "r.example.com/**"]
allowed_services = ["postgres:*"]
services = [{ name = "redis" }]
`
  const prewarm = (images: readonly string[], given = lists): readonly string[] =>
    problemsOf(
      engine(`${given}prewarm_images = ${JSON.stringify(images)}`).replace('limit = 4', `limit = 4\n${environment}`),
    ).map((each) => each.replace('runners[0].docker.prewarm_images', ''))
  const useless = (image: string): string =>
    `expected an image that allowed_images or allowed_services matches, or that this table names, got "${image}"`
  expect(
    prewarm([
      'ruby:3',
      '$REGISTRY/a',
      'debian:13',
      '$REGISTRY/helper:1',
      'redis',
      'postgres:17',
      `ruby@sha256:${'a'.repeat(64)}`,
    ]),
  ).toEqual([`[6]: ${useless(`ruby@sha256:${'a'.repeat(64)}`)}`])
  expect(prewarm(['ruby', 'ruby:2', 'debian:12', 'ruby:3'])).toEqual(
    ['ruby', 'ruby:2', 'debian:12'].map((image, index) => `[${index}]: ${useless(image)}`),
  )
  expect(prewarm(['Ruby', 'ruby:', '$NOWHERE/a', '$OUTER'], '')).toEqual([
    '[0]: expected the name of an image, got "Ruby": a repository must be lower case',
    '[1]: expected the name of an image, got "ruby:": what follows the last colon is not a tag',
    '[2]: expected the name of an image, got "$NOWHERE/a": "/a" is not a valid image name: a part between slashes is empty',
    '[3]: expected the name of an image, got "$OUTER": "Upper" is not a valid image name: a repository must be lower case',
  ])
  const helper = 'registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper'
  expect(
    prewarm([`${helper}:x86_64-v18.6.0`, `${helper}:arm64-v18.6.0`, `${helper}:x86_64-v1`], 'allowed_images = ["a"]\n'),
  ).toEqual([`[2]: ${useless(`${helper}:x86_64-v1`)}`])
  expect(prewarm(['any/thing:1'], '')).toEqual([])
  expect(problemsOf(`${runner('instance')}${autoscaler}[runners.docker]\nprewarm_images = ["Ruby"]`)).toEqual([])
})

test('a negative wait is none', () => {
  expect(dockerOf(engine('wait_for_services_timeout = -1'))?.waitForServicesMs).toBe(0)
})

test('an Engine that is there needs no autoscaler, and has the capacity of the limit', () => {
  const { settings, warnings } = parseConfig(engine(), { readFile })
  expect(warnings).toEqual([])
  expect(settings.runners[0]).toMatchObject({
    executor: 'docker',
    buildsDir: '/builds',
    cacheDir: '/cache',
    autoscaler: {
      plugin: 'docker-engine',
      capacityPerInstance: 4,
      maxInstances: 1,
      deleteInstancesOnShutdown: false,
      unknownInstances: 'leave',
    },
  })
})

test('two runners may share one Engine', () => {
  expect(problemsOf(engine() + engine().replace('"a"', '"b"'))).toEqual([])
})

test('containers on autoscaled instances need both tables', () => {
  expect(problemsOf(`${runner('docker-autoscaler')}${autoscaler}[runners.docker]\n`)).toEqual([])
  expect(problemsOf(runner('docker-autoscaler'))).toEqual([
    'runners[0].autoscaler: expected a table, got nothing',
    'runners[0].docker: expected a table, because executor is "docker-autoscaler", got nothing',
  ])
  expect(problemsOf(runner('docker'))).toEqual([
    'runners[0].docker: expected a table, because executor is "docker", got nothing',
  ])
})

test('what cannot be with an Engine is told by name', () => {
  expect(problemsOf(engine().replace('limit = 4', 'limit = 0\ntrust = "project"\nbuilds_dir = "builds"'))).toEqual([
    'runners[0].limit: expected a number above 0, because executor is "docker" and concurrent has no limit, got 0',
    'runners[0].trust: expected "all", because executor is "docker", got "project": its one Engine serves all projects',
    'runners[0].builds_dir: expected an absolute path below /, because executor is "docker", got "builds"',
  ])
  expect(problemsOf(`concurrent = 10\n${engine().replace('limit = 4', '')}`)).toEqual([])
})

test('instances of containers can serve all projects or one job, not one project', () => {
  const trusting = (trust: string) =>
    problemsOf(`${runner('docker-autoscaler')}trust = "${trust}"\n${autoscaler}[runners.docker]\n`)
  expect([trusting('all'), trusting('none')]).toEqual([[], []])
  expect(trusting('project')).toEqual([
    'runners[0].trust: expected "all" or "none", because executor is "docker-autoscaler", got "project": the projects that it served are not recorded',
  ])
})

test('a table that the executor does not use is ignored with a warning, whatever is in it', () => {
  const warningsOf = (toml: string) =>
    parseConfig(toml, { readFile }).warnings.map(({ path, message }) => `${path}: ${message}`)
  const instance = `${runner('instance')}${autoscaler}[runners.docker]\nmemory = 1\nnonsense = 2\nhelper_image_autoset_arch_and_os = true\n`
  expect(warningsOf(instance)).toEqual(['runners[0].docker: not used by executor "instance", ignored'])
  expect(dockerOf(instance)).toBeUndefined()
  expect(warningsOf(`${engine()}[runners.autoscaler]\nplugin = 1\n`)).toEqual([
    'runners[0].autoscaler: not used by executor "docker", ignored',
  ])
})

test('a key that changes nothing is ignored with a warning', () => {
  const { warnings } = parseConfig(engine('helper_image_autoset_arch_and_os = true'), { readFile })
  expect(warnings).toEqual([
    {
      path: 'runners[0].docker.helper_image_autoset_arch_and_os',
      message: 'has no effect: the helper image is the one that helper_image names',
      line: 8,
    },
  ])
})
