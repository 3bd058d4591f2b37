import { endianness } from 'node:os'

/** A system as artifacts name it: Go's words. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle' }
const goSystems: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' }

/** The system that this process runs on. */
export function hostPlatform(): Platform {
  const { platform, arch } = process
  const os = goSystems[platform] ?? platform
  const architecture = arch === 'ppc64' && endianness() === 'LE' ? 'ppc64le' : (goArchitectures[arch] ?? arch)
  const armVersion = (process.config.variables as { readonly arm_version?: number | string }).arm_version
  return { os, architecture, ...(arch === 'arm' && { variant: `v${armVersion ?? 6}` }) }
}

/**
 * Of what is offered, what `host` runs best: its own first, then what it runs too, as containerd has it (amd64: 386;
 * arm v7: v6 and v5; arm64: every arm). Undefined when there is nothing.
 */
export function choosePlatform<T extends { readonly platform?: Platform }>(
  offered: readonly T[],
  host: Platform,
): T | undefined {
  for (const accepted of acceptedBy(normalized(host))) {
    const found = offered.find(
      ({ platform }) => platform !== undefined && nameOf(normalized(platform)) === nameOf(accepted),
    )
    if (found !== undefined) return found
  }
  return undefined
}

/** `linux/amd64`, `linux/arm/v7`. */
export function nameOf({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/')
}

function acceptedBy(host: Platform): readonly Platform[] {
  const { os, architecture, variant = '' } = host
  if (architecture === 'amd64') return [host, { os, architecture: '386' }]
  const arms = [8, 7, 6, 5].map((version): Platform => ({ os, architecture: 'arm', variant: `v${version}` }))
  if (architecture === 'arm64') return [host, ...arms]
  return architecture === 'arm' ? arms.filter((arm) => (arm.variant as string) <= variant) : [host]
}

/** Some name a variant where others leave it out. */
function normalized({ os, architecture, variant }: Platform): Platform {
  const same = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386' }[architecture] ?? architecture
  const implied = { amd64: 'v1', arm64: 'v8' }[same]
  const told = same === 'arm' ? variant || 'v7' : variant === implied ? undefined : variant
  return { os: os.toLowerCase(), architecture: same, ...(told && { variant: told }) }
}
