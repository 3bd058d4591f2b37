/** Sorted at once: a few milliseconds. */
const runLength = 8192

/** The same as `sort()`, of any number of strings, while the event loop runs. */
export async function sortedInTurns(texts: readonly string[]): Promise<readonly string[]> {
  let runs: string[][] = []
  for (let at = 0; at < texts.length; at += runLength) {
    runs.push(texts.slice(at, at + runLength).sort())
    await turn()
  }
  while (runs.length > 1) {
    const merged: string[][] = []
    for (let at = 0; at < runs.length; at += 2)
      merged.push(runs[at + 1] === undefined ? runs[at]! : await merge(runs[at]!, runs[at + 1]!))
    runs = merged
  }
  return runs[0] ?? []
}

async function merge(first: readonly string[], second: readonly string[]): Promise<string[]> {
  const merged: string[] = []
  let [a, b] = [0, 0]
  while (a < first.length || b < second.length) {
    const takesFirst = b === second.length || (a < first.length && first[a]! <= second[b]!)
    merged.push(takesFirst ? first[a++]! : second[b++]!)
    if (merged.length % runLength === 0) await turn()
  }
  return merged
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
