import type { CreateInstanceGroup } from '@runner-core/fleeting'
import { checkPlugins, parseConfig } from '@runner-core/runner/internals'

/** What the runner and a plugin find wrong with a `config.toml` whose groups are all of that plugin. */
export async function checkSetup(
  config: string,
  createInstanceGroup: CreateInstanceGroup,
): Promise<{ readonly warnings: readonly unknown[]; readonly problems: readonly unknown[] }> {
  const { settings, warnings } = parseConfig(config)
  return { warnings, problems: await checkPlugins(settings.runners, async () => ({ createInstanceGroup })) }
}
