import type { GroupErrorCode } from '@runner-core/fleeting'

/** gRPC's status codes that mean something without any text. What Go's plugins answer is 2, unknown, nearly always. */
const codesOfStatus: ReadonlyMap<number, GroupErrorCode> = new Map([
  [1, 'transient'],
  [3, 'invalid_config'],
  [4, 'transient'],
  [5, 'not_found'],
  [7, 'auth'],
  [9, 'conflict'],
  [10, 'conflict'],
  [12, 'invalid_config'],
  [14, 'transient'],
  [16, 'auth'],
])

/** Tried in this order: an outage's words stand first, since it quotes hosts that are "not found". */
const codesOfText: readonly (readonly [GroupErrorCode, RegExp])[] = [
  ['throttled', /throttl|rate.?limit(?!ed? to)|too many requests|request ?limit ?exceeded|slow ?down|\b429\b/i],
  [
    'transient',
    /no such host|connection (?:refused|reset)|broken pipe|i\/o timeout|timed? ?out|deadline exceeded|tls handshake|unexpected EOF|service ?unavailable|internal server error|bad gateway|\b50[0234]\b/i,
  ],
  [
    'capacity',
    /insufficient.{0,20}capacity|out of capacity|no capacity|stock.?out|resource_pool_exhausted|resource_unavailable|placement_error|no valid host|allocation ?failed|not enough (?:capacity|resources|memory|space)/i,
  ],
  [
    'quota',
    /quota|limit ?exceeded|exceed.{0,40}(?:limit|maximum|max size)|(?:limit|maximum).{0,40}(?:reached|exceeded)/i,
  ],
  [
    'auth',
    /unauthori[sz]ed|unauthenticated|not authori[sz]ed|forbidden|access.?denied|permission denied|auth ?failure|authentication (?:failed|error)|(?:invalid|expired|missing|no).{0,20}(?:credential|token|api key|access key)|\b40[13]\b/i,
  ],
  ['conflict', /conflict|\blocked\b|already in progress|in use by another|concurrent (?:update|modification)|\b409\b/i],
  [
    'not_ready',
    /not ready|not (?:yet )?running|has no (?:\w+ )?address|no (?:ip )?addresses|still (?:being )?(?:creat|start|boot)/i,
  ],
  [
    'not_found',
    /not found|does not exist|doesn't exist|no such (?!file)|unknown (?:instance|server|vm)|instance is unhealthy|\b404\b/i,
  ],
  [
    'invalid_config',
    /unmarshaling config|invalid (?:config|argument|parameter|value)|required|must be|validation|no such file/i,
  ],
]

/**
 * Typed errors do not cross this wire: the code is read off the text, as far as words of the clouds go. What says
 * nothing is `transient`, which is asked again after a fresh list. A status code that says something wins.
 */
export function codeOfWireError(status: number, text: string): GroupErrorCode {
  const byStatus = codesOfStatus.get(status)
  if (byStatus !== undefined) return byStatus
  const byText = codesOfText.find(([, pattern]) => pattern.test(text))?.[0]
  // 8, resource exhausted: which resource the text says, or it is calls.
  return byText ?? (status === 8 ? 'throttled' : 'transient')
}

/** How long the text asks to wait, milliseconds. */
export function retryHintOfText(text: string): number | undefined {
  const [, amount, unit] = /retry.?after:? ?(\d{1,6}) ?(ms|s)?\b/i.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (unit?.toLowerCase() === 'ms' ? 1 : 1000)
}
