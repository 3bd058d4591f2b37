import type { Difference } from './compare-runs.ts'

/** Markdown: a row for each reason, with the jobs where it holds and what differs there. */
export function differencesTable(differences: readonly Difference[], jobs: number): string {
  const rows = new Map<string, { readonly what: Set<string>; readonly payloads: Set<string> }>()
  for (const { payload, field, lines, reason = 'Not meant.' } of differences) {
    const row = rows.get(reason) ?? { what: new Set(), payloads: new Set() }
    rows.set(reason, row)
    const isList = field === 'trace' || field === 'stages' || field === 'artifacts'
    row.what.add(isList ? field : `${field} ${lines.map(shown).join(', not ')}`)
    row.payloads.add(payload)
  }
  const lines = [...rows].map(([reason, { what, payloads }]) => {
    const where = payloads.size > 8 ? `${payloads.size} of ${jobs}` : [...payloads].join('; ')
    return `| ${where} | ${[...what].join('; ')} | ${reason} |`
  })
  return ['| jobs | what differs | why |', '|---|---|---|', ...lines].join('\n')
}

/** A value without its sign. */
function shown(line: string): string {
  const value = line.slice(2)
  return value === '' ? 'none' : `\`${value}\``
}
