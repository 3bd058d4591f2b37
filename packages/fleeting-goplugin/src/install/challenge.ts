/** What a server asks for with 401: the scheme in lower case, and its parameters. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

/** The challenges of a `WWW-Authenticate` header (RFC 9110), several of them in one line too. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  // A parameter (`name=token`, `name="text"`), otherwise the name of a scheme.
  const pattern =
    /[\s,]*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w!#$%&'*+.^`|~-]+)(?=[\s,]|$))/y
  for (;;) {
    const match = pattern.exec(header)
    if (match === null) return challenges
    const [, name, quoted, token, scheme] = match
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} })
    const last = challenges.at(-1)
    if (name !== undefined && last !== undefined)
      last.parameters[name.toLowerCase()] = quoted?.replaceAll(/\\(.)/g, '$1') ?? token ?? ''
  }
}
