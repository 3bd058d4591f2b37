/** More than any honest chain has; one that ends in itself ends here. */
const longestChain = 20

/**
 * What went wrong, as one text: the error's message, then the messages of its causes, each only if it is not said yet.
 * Errors often repeat what caused them in their own message; many others say nothing without their cause
 * (`fetch failed`).
 */
export function describeError(error: unknown): string {
  const said: string[] = []
  let each: unknown = error
  for (let depth = 0; each !== undefined && each !== null && depth < longestChain; depth += 1) {
    const text = textOf(each)
    if (!said.some((earlier) => earlier.includes(text))) {
      // The other way round, too: a cause may say it all in more words.
      if (said.length > 0 && text.startsWith(said.at(-1) as string)) said.pop()
      said.push(text)
    }
    each = each instanceof Error ? each.cause : undefined
  }
  return said.join(': ')
}

/** An attempt at several addresses fails with an error that has no message of its own, only those of the attempts. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error))
  if (error.message !== '') return error.message
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(describeError))].join('; ')
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
