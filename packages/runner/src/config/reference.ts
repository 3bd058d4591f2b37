import { configTable } from './tables/config-table.ts'
import type { ForeignKey } from './tables/foreign-key.ts'
import type { Field, TableSchema } from './tables/schema.ts'

const introduction = `# config.toml

One file, in GitLab Runner's own keys. \`runner-core validate --config config.toml\` names every problem in it at once.

- An unknown key is an error. Keys that GitLab Runner has and this program does not heed stand below each table: \`refused\` ones are errors, unless their value turns them off or \`--allow-ignored KEY\` is given; the others are ignored with a warning, since nothing is lost by that. [All keys of GitLab Runner](config-keys.md), each with what becomes of it.
- Durations are Go's: \`"20m0s"\`, \`"1h30m"\`, \`"1.5s"\`.
- Relative paths are relative to the working directory.

This page is made from the schema that checks the file: \`npm run reference -w packages/runner\`.
`

/** docs/reference/config.md, from the schema. */
export function configReference(): string {
  return `${introduction}${sections('', configTable as TableSchema<object>, false).join('')}`
}

function sections(path: string, schema: TableSchema<object>, isList: boolean): readonly string[] {
  const fields = Object.values(schema.fields) as readonly Field<unknown>[]
  const title = path === '' ? 'Top level' : isList ? `\`[[${path}]]\`` : `\`[${path}]\``
  const rows = fields.map(
    (field) => `| \`${field.key}\` | ${cell(field.kind.expected)} | ${presence(field)} | ${cell(field.doc)} |\n`,
  )
  const foreign = Object.entries(schema.foreign ?? {}).map(([key, each]) => `\n${foreignLine(key, each)}\n`)
  const inner = fields.flatMap(({ key, kind }) =>
    kind.table ? sections(path === '' ? key : `${path}.${key}`, kind.table, kind.isList === true) : [],
  )
  return [
    `\n## ${title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n${rows.join('')}${foreign.join('')}`,
    ...inner,
  ]
}

function foreignLine(key: string, foreign: ForeignKey): string {
  if (foreign.is === 'refused') return `Refused: \`${key}\`; ${foreign.instead}.`
  return `${foreign.is === 'without effect' ? 'Without effect' : 'Not applicable'}: \`${key}\`; ${foreign.because}.`
}

function presence({ presence: is, byDefault, kind }: Field<unknown>): string {
  if (is === 'required') return '**required**'
  if (is === 'optional' || (kind.table && !kind.isList)) return '–'
  return `\`${JSON.stringify(byDefault)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
