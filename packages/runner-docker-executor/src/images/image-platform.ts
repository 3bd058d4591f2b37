/** Which machines an image is for, in the Engine's words. */
export interface ImagePlatform {
  readonly os: string
  readonly architecture: string
  /** Of the architecture: `v7`. Undefined: any, or the usual one. */
  readonly variant: string | undefined
}

/** Thrown when a text is not a platform. The message quotes it. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError'
  readonly code = 'invalid_platform'
}

/** What others call them, as containerd understands it. */
const architectures: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64'],
  i386: ['386'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
}

/**
 * Parses `image:docker:platform`: `linux/arm64/v8`, `linux/arm64`, `arm64`, or `linux` for the architecture of the
 * Engine. Thrown: {@link PlatformError}.
 */
export function parsePlatform(text: string, engine: Pick<ImagePlatform, 'architecture'>): ImagePlatform {
  const parts = text.toLowerCase().split('/')
  if (text.length > 100 || parts.length > 3 || !parts.every((part) => /^[a-z0-9][a-z0-9_.-]*$/.test(part)))
    throw new PlatformError(`${JSON.stringify(text.slice(0, 100))} is not a platform such as linux/arm64/v8`)
  const [first = '', second, third] = parts
  const isOs = parts.length > 1 || first === 'linux' || first === 'windows'
  const [architecture, usual] = known(isOs ? (second ?? engine.architecture) : first)
  return { os: isOs ? first : 'linux', architecture, variant: third ?? usual }
}

function known(architecture: string): readonly [string, string?] {
  return Object.hasOwn(architectures, architecture) ? architectures[architecture]! : [architecture]
}

export function formatPlatform({ os, architecture, variant }: ImagePlatform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')
}

/** Whether an image for one platform is what was asked for. */
export function matchesPlatform(image: ImagePlatform, wanted: ImagePlatform): boolean {
  return (
    image.os === wanted.os &&
    image.architecture === wanted.architecture &&
    (wanted.variant === undefined || variantOf(image) === variantOf(wanted))
  )
}

function variantOf({ architecture, variant }: ImagePlatform): string | undefined {
  if (variant !== undefined) return variant
  return architecture === 'arm64' ? 'v8' : architecture === 'arm' ? 'v7' : undefined
}
