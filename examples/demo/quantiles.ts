/** Nearest-rank quantiles of measured values, rounded to whole numbers; undefined when there are none. */
export function quantiles(
  values: readonly number[],
): { readonly p50: number; readonly p95: number; readonly p99: number } | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
