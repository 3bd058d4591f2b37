/** What the coordinator answers to one request. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** A reply as Rails gives most: the status again as JSON text. 204 has no body. */
export function reply(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  if (status === 204) return { status, headers, body: '' }
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: String(status) }
}

/** An error as Rails words it. */
export function refusal(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { ...reply(status, headers), body: JSON.stringify({ message: `${status} ${message}` }) }
}
