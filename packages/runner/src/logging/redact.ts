const hidden = '[hidden]'

/**
 * Tokens that GitLab makes tell themselves by their prefix; the prefix stays readable. A user name before a password in
 * a URL stays, too.
 */
const tokens = /\b(gl[a-z]{2,6}-)[\w.-]{6,}|(:\/\/[^\s:@/"]*:)[^\s@/"]+(?=@)/g

/**
 * Makes a function that hides `secrets`, GitLab's tokens and passwords in URLs in a text. Secrets shorter than four
 * characters are left alone: they would hide half the text.
 */
export function createRedactor(secrets: readonly string[]): (text: string) => string {
  // The longest first, so that one that contains another goes as a whole. Lines are JSON, so escaped forms count.
  const known = secrets
    .filter((secret) => secret.length >= 4)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .sort((one, other) => other.length - one.length)
  return (text) => {
    let result = text
    for (const secret of known) result = result.replaceAll(secret, hidden)
    return result.replace(tokens, (_match, prefix?: string, user?: string) => `${prefix ?? user}${hidden}`)
  }
}
