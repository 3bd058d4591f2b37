/**
 * What a `Retry-After` header asks to wait from `wallTime` on, milliseconds ≥ 0: seconds, with a fraction too, or a
 * date. Undefined: there is none, or it says nothing that can be read.
 */
export function readRetryAfter(header: string | null | undefined, wallTime: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  // A bare or negative number is a year for Date.
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallTime)
}
