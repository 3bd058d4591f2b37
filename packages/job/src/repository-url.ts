/** A repository's address with and without the login in it. */
export interface RepositoryUrl {
  /** Without user and password: what may stand on command lines and in `.git/config`. */
  readonly url: string
  /** `scheme://host:port` of an http(s) address: what the login is for. */
  readonly origin: string
  readonly username: string
  readonly password: string
}

/** Takes the login out of an address. What is no URL is its own `url`, without a login. */
export function splitCredentials(address: string): RepositoryUrl {
  const none = { url: address, origin: '', username: '', password: '' }
  if (!URL.canParse(address)) return none
  const url = new URL(address)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return none
  const [username, password] = [decode(url.username), decode(url.password)]
  url.username = ''
  url.password = ''
  return { url: url.href, origin: url.origin, username, password }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
