import type { AutoscalerSettings } from './settings.ts'

/** An instance group that settings name. */
export type NamedGroup = Partial<Pick<AutoscalerSettings, 'plugin' | 'pluginConfig' | 'connector'>> & {
  /** Where its plugin is named, from the autoscaler on. */
  readonly path: string
  /** What its fleet's name ends in; empty for the autoscaler's own. */
  readonly suffix: string
}

/**
 * The group that a runner's settings name and, with `multi`, those that this one is made of. What cannot be read is the
 * plugin's to report.
 */
export function namedGroups(
  { plugin, pluginConfig, connector = {} }: Partial<AutoscalerSettings>,
  path = '',
  suffix = '',
): readonly NamedGroup[] {
  const own = {
    ...(plugin !== undefined && { plugin }),
    ...(pluginConfig !== undefined && { pluginConfig }),
    connector,
    path,
    suffix,
  }
  if (plugin !== 'multi') return [own]
  const members = Object.entries(asTable(pluginConfig?.['groups'])).flatMap(([name, value]) => {
    const { plugin: memberPlugin, plugin_config: memberConfig } = asTable(value)
    if (typeof memberPlugin !== 'string') return []
    const settings = { plugin: memberPlugin, pluginConfig: asTable(memberConfig), connector }
    return namedGroups(settings, `${path}plugin_config.groups.${name}.`, `${suffix}-${name}`)
  })
  return [own, ...members]
}

function asTable(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
