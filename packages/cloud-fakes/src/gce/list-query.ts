import { ApiRefusal } from './answers.ts'

/**
 * Keeps what a `filter` lets through. Known: `field eq regex`, `field ne regex`, `field = value`, `field != value`,
 * several of them in parentheses.
 */
export function filtered<Item extends object>(items: readonly Item[], filter: string | null): readonly Item[] {
  if (filter === null || filter.trim() === '') return items
  const inParentheses = [...filter.matchAll(/\((.+?)\)(?=\s*\(|\s*$)/g)].map(([, term]) => term!)
  const terms = filter.trim().startsWith('(') ? inParentheses : [filter]
  const tests = terms.map((term) => parseTerm(term))
  return items.filter((item) => tests.every((test) => test(item)))
}

function parseTerm(term: string): (item: object) => boolean {
  const match = /^\s*([\w.]+)\s+(eq|ne|=|!=)\s+(?:"([^"]*)"|'([^']*)'|(\S+))\s*$/.exec(term)
  if (match === null)
    throw new ApiRefusal(400, 'invalid', `Invalid value for field 'filter': '${term}'. Invalid list filter expression.`)
  const [, field = '', operator, doubly, singly, bare] = match
  const literal = doubly ?? singly ?? bare ?? ''
  const isRegex = operator === 'eq' || operator === 'ne'
  const pattern = isRegex ? new RegExp(`^(?:${literal})$`) : undefined
  const wanted = operator === 'eq' || operator === '='
  return (item) => {
    const found = field
      .split('.')
      .reduce<unknown>((inner, key) => (Object(inner) as Record<string, unknown>)[key], item)
    const value = typeof found === 'object' || found === undefined ? '' : `${found as string | number | boolean}`
    return (pattern === undefined ? value === literal : pattern.test(value)) === wanted
  }
}

/**
 * One page of a list, of at most so many rows whatever was asked for. Thrown: a page token that is none, too large a
 * page.
 */
export function page<Item>(
  items: readonly Item[],
  query: URLSearchParams,
  most: number,
): { readonly items: readonly Item[]; readonly nextPageToken?: string } {
  const maxResults = Number(query.get('maxResults') ?? 500)
  if (!Number.isInteger(maxResults) || maxResults < 0 || maxResults > 500) {
    throw new ApiRefusal(
      400,
      'invalid',
      `Invalid value for field 'maxResults': '${query.get('maxResults')}'. Must be between 0 and 500.`,
    )
  }
  const token = query.get('pageToken')
  const from =
    token === null || token === ''
      ? 0
      : Number(
          Buffer.from(token, 'base64url')
            .toString()
            .replace(/^from:/, ''),
        )
  if (!Number.isInteger(from)) throw new ApiRefusal(400, 'invalid', `Invalid value for field 'pageToken': '${token}'.`)
  const to = from + Math.min(most, maxResults === 0 ? 500 : maxResults)
  const rest = to < items.length && { nextPageToken: Buffer.from(`from:${to}`).toString('base64url') }
  return { items: items.slice(from, to), ...rest }
}
