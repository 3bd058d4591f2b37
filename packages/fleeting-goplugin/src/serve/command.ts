import type { CreateInstanceGroup } from '@runner-core/fleeting'
import { isStartedByHost, serveGoPlugin } from './serve-go-plugin.ts'
import { type VersionInfo, versionText } from './version-info.ts'

/**
 * The command line of a plugin: `version` (`-version`, `--version`) prints its version; anything else, and nothing,
 * serves. Without a host it says what it is, and the exit code is 1.
 */
export async function goPluginCommand(
  create: CreateInstanceGroup,
  versionInfo: VersionInfo,
  args: readonly string[],
): Promise<void> {
  if (/^-{0,2}version$/.test(args[0] ?? '')) {
    console.log(versionText(versionInfo))
  } else if (isStartedByHost()) {
    await serveGoPlugin(create, versionInfo)
  } else {
    const { name, version } = versionInfo
    console.error(
      `${name} ${version} is a plugin, and is not meant to be run by hand.\nName it in config.toml of GitLab Runner: plugin = "${name}", under [runners.autoscaler].\n\`${name} version\` prints its version.`,
    )
    process.exitCode = 1
  }
}
