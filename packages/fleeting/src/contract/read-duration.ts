const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const duration = /^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/

/**
 * Milliseconds of a duration in Go's notation, as `config.toml` has it: `1h30m`, `250ms`, `0`. Undefined: it is none.
 */
export function readDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!duration.test(text)) return undefined
  const parts = [...text.matchAll(/([\d.]+)([a-zµ]+)/g)]
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * unitMs[unit as string]!, 0)
}
