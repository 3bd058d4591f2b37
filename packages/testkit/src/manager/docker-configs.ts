export interface DockerConfigOptions {
  readonly url: string
  readonly token: string
  /** On the Engine. */
  readonly image: string
  /** Jobs at once. */
  readonly concurrent: number
  /** What the runner is called. Default: one that measures. */
  readonly name?: string
  /** Default `if-not-present`. */
  readonly pullPolicy?: 'if-not-present' | 'never'
  /** On the Engine. Default: the runner's own. */
  readonly helperImage?: string
  /** More lines of `[runners.docker]`. */
  readonly settings?: string
}

/** `config.toml` of runners whose jobs run in containers of this machine's Engine. */
export function dockerConfig(...runners: readonly [DockerConfigOptions, ...DockerConfigOptions[]]): string {
  const tables = runners.map((runner) => runnerTables({ name: 'bench-docker', ...runner }, 'limit'))
  return `concurrent = ${runners[0].concurrent}\nlog_level = "warn"\n${tables.join('')}`
}

/** `config.toml` of a stock gitlab-runner for the same. */
export function stockDockerConfig(...runners: readonly [DockerConfigOptions, ...DockerConfigOptions[]]): string {
  const tables = runners.map((runner) => runnerTables({ name: 'bench-stock', ...runner }, 'request_concurrency'))
  return `concurrent = ${runners[0].concurrent}\ncheck_interval = 1\n${tables.join('')}`
}

/** `bound`: the key that says how many jobs the runner has at once. */
function runnerTables(
  {
    name,
    url,
    token,
    image,
    helperImage,
    concurrent,
    pullPolicy = 'if-not-present',
    settings = '',
  }: DockerConfigOptions,
  bound: 'limit' | 'request_concurrency',
): string {
  return `
[[runners]]
name = "${name}"
url = "${url}"
token = "${token}"
executor = "docker"
${bound} = ${concurrent}

[runners.docker]
image = "${image}"
${helperImage === undefined ? '' : `helper_image = "${helperImage}"\n`}pull_policy = "${pullPolicy}"
${settings}`
}
