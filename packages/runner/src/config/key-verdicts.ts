import { configTable } from './tables/config-table.ts'
import { featureFlagVerdicts } from './tables/feature-flags.ts'
import type { Field, TableSchema } from './tables/schema.ts'
import { upstreamKeys } from './upstream-keys.ts'

/** What becomes of a key of GitLab Runner's file. */
export interface KeyVerdict {
  readonly is: 'heeded' | 'refused' | 'without effect' | 'not applicable'
  /** What to do where it is refused, or why nothing is lost. Empty where it is heeded. */
  readonly note: string
}

/**
 * The verdict on a key, named by the tables that it stands in: `runners.docker.image`. What stands in a table that is
 * not heeded has the verdict of that table. Undefined: nothing knows the key.
 */
export function keyVerdict(name: string): KeyVerdict | undefined {
  let schema = configTable as TableSchema<object> | undefined
  for (const key of name.split('.')) {
    const { foreign = {}, fields = {} }: Partial<TableSchema<object>> = schema ?? {}
    if (Object.hasOwn(foreign, key)) {
      const found = foreign[key]!
      return { is: found.is, note: found.is === 'refused' ? found.instead : found.because }
    }
    const field = (Object.values(fields) as readonly Field<unknown>[]).find((each) => each.key === key)
    if (field === undefined) return undefined
    schema = field.kind.table
  }
  return { is: 'heeded', note: '' }
}

/** Whether a key, or a feature flag, named in the same way, is one that may be ignored by `--allow-ignored` alone. */
export function isRefusedKey(name: string): boolean {
  const [, flag] = /^runners\.feature_flags\.(\w+)$/.exec(name) ?? []
  if (flag !== undefined) return Object.hasOwn(featureFlagVerdicts, flag) && featureFlagVerdicts[flag]?.is === 'refused'
  return keyVerdict(name)?.is === 'refused'
}

const introduction = `# Keys of GitLab Runner

What becomes of each key of GitLab Runner 19.4. What a heeded key means here is in [config.md](config.md); where that
differs from GitLab Runner, [compared.md](compared.md) says so.

- **heeded**: it has its effect.
- **refused**: it is an error, since something would be lost by ignoring it. Values that turn it off (false, 0, empty,
  \`enabled = false\`) are accepted. \`--allow-ignored KEY\` ignores it with a warning; the key is written as below.
- **without effect**, **not applicable**: it is ignored with a warning. Nothing is lost by that.

A \`[[runners]]\` entry with an error does not start; the others do. \`runner-core validate\` then ends with exit code 1.

This page is made from the schema that checks the file: \`npm run reference -w packages/runner\`.
`

/** docs/reference/config-keys.md. */
export function keysReference(): string {
  const tables = Object.entries(upstreamKeys).map(([table, keys]) => {
    const rows = keys.map((key) => {
      const name = table === '' ? key : `${table}.${key}`
      const verdict = keyVerdict(name)
      return `| \`${name}\` | ${verdict?.is} | ${verdict?.note} |\n`
    })
    return `\n## ${table === '' ? 'Top level' : `\`${table}\``}\n\n| key | verdict | what to do, or why nothing is lost |\n|---|---|---|\n${rows.join('')}`
  })
  const flags = Object.entries(featureFlagVerdicts).map(([name, verdict]) => {
    const note = verdict.is === 'heeded' ? '' : verdict.is === 'refused' ? verdict.instead : verdict.because
    return `| \`${name}\` | ${verdict.is} | ${note} |\n`
  })
  return `${introduction}${tables.join('')}\n## Feature flags\n\nKeys of \`[runners.feature_flags]\`. One that is refused may be \`false\`.\n\n| flag | verdict | what to do, or why nothing is lost |\n|---|---|---|\n${flags.join('')}`
}
