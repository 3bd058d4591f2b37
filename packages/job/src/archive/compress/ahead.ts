/** The same, but up to `count` are asked for before they are wanted, so that their making overlaps. */
export async function* ahead<T>(
  source: AsyncGenerator<T, void, undefined>,
  count: number,
): AsyncGenerator<T, void, undefined> {
  const coming: Promise<IteratorResult<T, void>>[] = []
  const ask = (): void => {
    const next = source.next()
    // Whoever waits for it hears of it.
    next.catch(() => {})
    coming.push(next)
  }
  try {
    for (let asked = 0; asked < count; asked++) ask()
    for (;;) {
      const next = await coming.shift()!
      if (next.done === true) return
      ask()
      yield next.value
    }
  } finally {
    await source.return()
  }
}
