/** A pino line as people read it: `2026-01-02T03:04:05.678Z INFO  job finished job=12 state=success`. What is no JSON stays as it is. */
export function textLine(json: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json
  }
  const { time, level, msg, ...fields } = record
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${fieldText(value)}`)
  return `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${rest.join('')}\n`
}

function fieldText(value: unknown): string {
  const text = isError(value) ? value.message : typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

/** An error as pino writes it. */
function isError(value: unknown): value is { readonly message: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value && typeof value.message === 'string'
}
