/** One of `docker run --ulimit`. */
export interface ResourceLimit {
  readonly name: string
  /** -1: no bound. */
  readonly soft: number
  /** -1: no bound. */
  readonly hard: number
}

/** `soft[:hard]`; undefined: it is no such thing. */
export function parseLimits(text: string): Omit<ResourceLimit, 'name'> | undefined {
  const [, soft, hard = soft] = /^(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(text) ?? []
  return soft === undefined ? undefined : { soft: Number(soft), hard: Number(hard) }
}
