/** One row of the traffic file. */
export interface TrafficRow {
  /** Wall time, milliseconds. */
  readonly submittedAtMs: number
  readonly durationMs: number
}

/** A job's arrival in the demo. */
export interface Arrival {
  /** Milliseconds after the start. */
  readonly atMs: number
  /** How long its script works, milliseconds. */
  readonly durationMs: number
}

/** Traffic squeezed into a demo. */
export interface Traffic {
  readonly arrivals: readonly Arrival[]
  /** Seconds of traffic that pass in one second. */
  readonly speed: number
}

const longestGapMs = 10 * 60_000
const minSpeed = 300
const longestSpreadMs = 30_000
const longestJobMs = 4000

/** Reads `submitted_at,duration_s,…` rows, oldest first. Throws on a row that is none. */
export function parseTraffic(csv: string): readonly TrafficRow[] {
  const lines = csv.split('\n').slice(1)
  const rows = lines.flatMap((line, index): TrafficRow[] => {
    if (line === '') return []
    const [submittedAt = '', duration = ''] = line.split(',')
    const row = { submittedAtMs: Date.parse(submittedAt), durationMs: Number(duration) * 1000 }
    if (!(row.submittedAtMs > 0 && row.durationMs > 0))
      throw new Error(`line ${index + 2}: expected submitted_at,duration_s, got ${line}`)
    return [row]
  })
  return rows.sort((a, b) => a.submittedAtMs - b.submittedAtMs)
}

/** The first `count` rows with long gaps cut and time compressed, so that all have arrived within half a minute. */
export function compress(rows: readonly TrafficRow[], count: number): Traffic {
  const taken = rows.slice(0, count)
  let sinceStartMs = 0
  const unhurried = taken.map((row, index) => {
    sinceStartMs += Math.min(longestGapMs, row.submittedAtMs - (taken[index - 1] ?? row).submittedAtMs)
    return { atMs: sinceStartMs, durationMs: row.durationMs }
  })
  const speed = Math.max(minSpeed, sinceStartMs / longestSpreadMs)
  const arrivals = unhurried.map(({ atMs, durationMs }) => ({
    atMs: atMs / speed,
    durationMs: Math.min(longestJobMs, Math.round(durationMs / speed)),
  }))
  return { arrivals, speed }
}
