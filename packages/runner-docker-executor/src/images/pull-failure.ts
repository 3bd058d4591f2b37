import type { FailureReason } from '@runner-core/job'

/**
 * - `unreachable`: the Engine cannot reach the registry.
 * - `broken`: the registry failed, or broke off.
 * - `untrusted`: the Engine does not trust the registry's certificate, or one of them speaks no TLS.
 * - `denied`: the registry wants credentials, or other ones.
 * - `unknown`: the registry does not have the image.
 * - `platform`: the image does not exist for the platform.
 * - `limited`: the registry limits how much is pulled.
 * - `silent`: nothing came for too long.
 * - `absent`: the Engine does not have the image, and nothing is pulled.
 * - `other`: anything else.
 */
export type PullFailureKind =
  | 'unreachable'
  | 'broken'
  | 'untrusted'
  | 'denied'
  | 'unknown'
  | 'platform'
  | 'limited'
  | 'silent'
  | 'absent'
  | 'other'

/** Why an attempt gave no image. The message contains no credentials. */
export class PullFailure extends Error {
  override readonly name = 'PullFailure'
  readonly kind: PullFailureKind
  readonly reason: FailureReason

  constructor(kind: PullFailureKind, reason: FailureReason, message: string) {
    super(message)
    this.kind = kind
    this.reason = reason
  }

  /** Whether the same attempt may succeed in a few seconds. */
  get isTransient(): boolean {
    return this.kind === 'unreachable' || this.kind === 'broken'
  }
}

const unreachable =
  /dial tcp|connection refused|no such host|i\/o timeout|tls handshake|client\.timeout exceeded|request canceled|connection reset/i
const absent = /not found|manifest unknown/i
const denied =
  /pull access denied|access to the resource is denied|no basic auth credentials|repository does not exist or may require|unauthorized|authentication required/i

/** What GitLab is told, by the words of an Engine: upstream's choice. */
export function pullFailureReason(words: string): FailureReason {
  if (unreachable.test(words)) return 'runner_external_dependency_failure'
  return absent.test(words) || denied.test(words) ? 'runner_configuration_error' : 'image_pull_failure'
}

const kinds: readonly (readonly [PullFailureKind, RegExp])[] = [
  ['untrusted', /x509|certificate|server gave http response to https client|first record does not look like a tls/i],
  ['limited', /toomanyrequests|too many requests|rate limit/i],
  ['unreachable', unreachable],
  [
    'platform',
    /no matching manifest|no match for platform|does not match the specified platform|no image found in .* for architecture/i,
  ],
  ['denied', denied],
  ['unknown', absent],
  [
    'broken',
    /unexpected http status|\b5\d\d (internal|bad gateway|service|gateway)|\beof\b|broken pipe|stream error|http2:/i,
  ],
]

/** What is wrong, by the words of an Engine. */
export function pullFailureKind(words: string): PullFailureKind {
  return kinds.find(([, pattern]) => pattern.test(words))?.[0] ?? 'other'
}

const phrases: Readonly<Partial<Record<PullFailureKind, string>>> = {
  unreachable: 'the registry cannot be reached',
  broken: 'the registry failed',
  untrusted: "the Engine does not trust the registry's certificate, or one of them does not use TLS",
  unknown: 'the registry does not have this image',
  platform: 'the image does not exist for this platform',
  limited: 'the registry limits how often it is asked',
}

export interface PullContext {
  readonly registry: string
  /** Where the credentials are from that were used. */
  readonly source: string | undefined
  /** To be removed from the words. */
  readonly secrets: readonly string[]
}

/** The failure that an Engine reports in these words. */
export function pullFailure(words: string, { registry, source, secrets }: PullContext): PullFailure {
  const kind = pullFailureKind(words)
  const phrase =
    kind !== 'denied'
      ? phrases[kind]
      : source === undefined
        ? `there are no credentials for ${registry}, and it asks for some or does not have this image`
        : `${registry} does not accept the credentials from ${source}, or does not have this image`
  const cleaned = withoutCredentials(words, secrets)
  return new PullFailure(kind, pullFailureReason(words), phrase === undefined ? cleaned : `${phrase}: ${cleaned}`)
}

const longestWords = 1000

/** Registries and Engines quote addresses, which may hold a login, or a signature in their query. */
export function withoutCredentials(words: string, secrets: readonly string[]): string {
  let text = words
  for (const secret of [...secrets].sort((one, other) => other.length - one.length))
    if (secret !== '') text = text.replaceAll(secret, '[MASKED]')
  return (
    text
      .replace(/(https?:\/\/)[^\s/"']*@/gi, '$1')
      .replace(/(https?:\/\/[^\s"'?]*)\?[^\s"']*/gi, '$1')
      // What follows a line or an escape could look like a line of the runner's own.
      .replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
      .trim()
      .slice(0, longestWords)
  )
}
