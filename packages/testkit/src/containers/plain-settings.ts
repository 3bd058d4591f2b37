import { parseConfig } from '@runner-core/runner/internals'
import type { DockerSettings } from '@runner-core/runner-docker-executor'

const config = `[[runners]]
name = "a"
url = "https://gitlab.example.com"
token = "glrt-secret-token"
limit = 1
executor = "docker"
[runners.docker]
`

/** What an empty `[runners.docker]` is read as. */
export const plainSettings: DockerSettings = read()

function read(): DockerSettings {
  const docker = parseConfig(config).settings.runners[0]?.docker
  if (docker === undefined) throw new Error('no runner with Docker was read')
  return docker
}
