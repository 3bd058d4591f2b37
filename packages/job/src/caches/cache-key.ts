/** A key as it names a cache, or why it names none. */
export type SanitizedKey = { readonly key: string } | { readonly problem: string }

/**
 * Makes a key one that is also a path and leads nowhere else, as GitLab's runner does: `%2f`, `%2e` and `\` are what
 * they stand for, `.` and `..` are resolved below a root that nothing leads out of, and what ends in white space is
 * trimmed.
 */
export function sanitizeCacheKey(raw: string): SanitizedKey {
  const segments: string[] = []
  // What is no text becomes some.
  for (const segment of Buffer.from(raw)
    .toString()
    .replaceAll(/%2f|\\/gi, '/')
    .replaceAll(/%2e/gi, '.')
    .split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  while (segments.length > 0) {
    const last = segments.pop()!.replace(/\p{White_Space}+$/u, '')
    if (last === '' || last === '.') continue
    // Now it leads somewhere.
    if (last === '..') segments.pop()
    else {
      segments.push(last)
      break
    }
  }
  const key = segments.join('/')
  return key === '' || key.includes('\0')
    ? { problem: `cache key ${JSON.stringify(raw)} could not be sanitized` }
    : { key }
}
