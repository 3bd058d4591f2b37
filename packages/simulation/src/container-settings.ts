import { parseConfig, type RunnerSettings } from '@runner-core/runner/internals'

const config = `[[runners]]
name = "world"
url = "http://gitlab.world"
token = "glrt-world"
limit = 1
executor = "docker"
[runners.docker]
image = "world/shell:1"
pull_policy = "if-not-present"
`

export const shortToken = 'world0000'
/** Names the installation whose state the world keeps. */
export const ownSystemId = 's_world0000000'

/** What the labels of containers call the fleet. */
export function fleetLabelOf(systemId: string): string {
  return `world/${shortToken}/${systemId}`
}

/** `[runners.docker]` of the world's runner, after reading. */
export const dockerSettings: NonNullable<RunnerSettings['docker']> = read()

function read(): NonNullable<RunnerSettings['docker']> {
  const docker = parseConfig(config).settings.runners[0]?.docker
  if (docker === undefined) throw new Error('no runner with containers was read')
  return docker
}
