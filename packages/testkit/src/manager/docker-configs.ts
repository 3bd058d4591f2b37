export interface DockerConfigOptions {
  readonly url: string
  readonly token: string
  /** On the Engine. */
  readonly image: string
  /** Jobs at once. */
  readonly concurrent: number
}

/** `config.toml` of a runner whose jobs run in containers of this machine's Engine. */
export function dockerConfig({ url, token, image, concurrent }: DockerConfigOptions): string {
  return `concurrent = ${concurrent}
log_level = "warn"

[[runners]]
name = "bench-docker"
url = "${url}"
token = "${token}"
executor = "docker"
limit = ${concurrent}

[runners.docker]
image = "${image}"
pull_policy = "if-not-present"
`
}

/** `config.toml` of a stock gitlab-runner for the same. `helperImage`: upstream's helper, on the Engine. */
export function stockDockerConfig({
  url,
  token,
  image,
  concurrent,
  helperImage,
}: DockerConfigOptions & { readonly helperImage: string }): string {
  return `concurrent = ${concurrent}
check_interval = 1

[[runners]]
name = "bench-stock"
url = "${url}"
token = "${token}"
executor = "docker"
request_concurrency = ${concurrent}

[runners.docker]
image = "${image}"
helper_image = "${helperImage}"
pull_policy = "if-not-present"
`
}
