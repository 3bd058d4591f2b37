/** What a plugin says of itself. */
export interface VersionInfo {
  /** Of the plugin, for example `fleeting-plugin-aws`. */
  readonly name: string
  readonly version: string
  /** Of the source: a commit, and the branch or tag it was built from. Default: not known. */
  readonly revision?: string
  readonly reference?: string
  /** ISO 8601. Default: not known. */
  readonly builtAt?: string
}

/** As `fleeting-plugin-* version` of upstream's has it, one a line. */
export function versionText({ name, version, revision = '', reference = '', builtAt = '' }: VersionInfo): string {
  const lines = [
    ['Name', name],
    ['Version', version],
    ['Git revision', revision],
    ['Git ref', reference],
    ['Node version', process.version],
    ['Built', builtAt],
    ['OS/Arch', platform()],
  ] as const
  return lines.map(([label, value]) => `${`${label}:`.padEnd(14)}${value}`.trimEnd()).join('\n')
}

/** As hosts are told it. */
export function buildInfo({ revision = '', reference = '', builtAt = '' }: VersionInfo): string {
  return `sha=${revision}; ref=${reference}; node=${process.version}; built_at=${builtAt}; os_arch=${platform()}`
}

/** In Go's words. */
function platform(): string {
  const arch = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
  return `${process.platform === 'win32' ? 'windows' : process.platform}/${arch}`
}
