const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy

/**
 * Milliseconds of a duration in Go's notation, such as `1h30m` or `250ms`, which GitLab's settings use; undefined when
 * it is not one, or negative.
 */
export function parseGoDuration(text: string): number | undefined {
  const unsigned = text.startsWith('+') ? text.slice(1) : text
  if (unsigned === '0') return 0
  if (unsigned === '') return undefined
  let total = 0
  let end = 0
  part.lastIndex = 0
  for (let match = part.exec(unsigned); match !== null; match = part.exec(unsigned)) {
    total += Number(match[1]) * unitMs[match[2] as string]!
    end = part.lastIndex
  }
  return end === unsigned.length ? total : undefined
}

/** A duration as Go prints it: `1h0m0s`, `5m0s`, `1.5s`, `250ms`. */
export function formatGoDuration(durationMs: number): string {
  if (durationMs < 1000) return durationMs === 0 ? '0s' : `${durationMs}ms`
  const seconds = durationMs / 1000
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const rest = `${Number((seconds % 60).toFixed(3))}s`
  if (hours > 0) return `${hours}h${minutes}m${rest}`
  return minutes > 0 ? `${minutes}m${rest}` : rest
}
