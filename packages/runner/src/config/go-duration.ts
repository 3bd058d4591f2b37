const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy

/** Milliseconds of a Go duration such as `1h30m`, `20m0s`, `1.5s` or `0`; undefined when the text is none. Negative ones are none: nothing here lasts less than no time. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0
  let end = 0
  let totalMs = 0
  for (const [whole, amount, unit] of text.matchAll(part)) {
    end += whole.length
    totalMs += Number(amount) * (unitMs[unit as string] as number)
  }
  return end > 0 && end === text.length && Number.isFinite(totalMs) ? totalMs : undefined
}
