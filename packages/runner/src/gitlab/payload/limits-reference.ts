import { type BudgetResource, jobBounds, longestMaskedVariables, longestVariables } from '@runner-core/job'
import { payloadBounds } from './payload-bounds.ts'

const introduction = `# Limits of one job

One manager runs the jobs of many, so what a job may cost its process is bounded. This page is made from the code: \`npm run reference -w packages/runner\`.

## Its payload

What GitLab hands out. A job beyond one of these bounds is reported as failed (\`runner_system_failure\`), and its log names the field and the bound. A \`body\` that is too long is reported where \`id\` and \`token\` can be read in its first 2 KiB.

| field | at most | |
|---|---|---|
`

const made = `
## What is made of it

Beyond one of these bounds the job fails with the code \`limit_exceeded\` (\`runner_configuration_error\`), and its log names the field and the bound. Work that takes longer lets other jobs and \`/health\` run in between.

| of one job | at most | |
|---|---|---|
`

const meanings: Readonly<Record<BudgetResource, string>> = {
  steps: 'comparisons of patterns of `artifacts` and `cache` with names of files; 4,000,000 for one name',
  records: 'names of files that its artifacts and caches have',
  bytes: 'of those names and their directories',
  characters: 'of patterns, each of their alternatives, and texts with variables in them',
}

const answers = `
## What its instance says

| | at most | beyond |
|---|---|---|
| log | \`output_limit\` | the rest is dropped |
| what the login prints beside a script | 262,144 bytes | the rest is left out of the log |
| lines and warnings of the runner | 1,048,576 characters | the rest is left out of the log |
| answers to commands of the runner | 16,384 bytes | as if the instance did not answer |
| name of a file | 8,192 bytes | \`limit_exceeded\` |
`

/** docs/reference/limits.md, from the tables. */
export function limitsReference(): string {
  const payload = payloadBounds.map(({ field, most, unit }) => `| \`${field}\` | ${number(most)} | ${unit} |\n`)
  const budget = Object.entries(jobBounds).map(([name, most]) =>
    row(most, `${name}: ${meanings[name as BudgetResource]}`),
  )
  const variables = [
    row(longestVariables, 'characters: of all variables, expanded'),
    row(longestMaskedVariables, 'characters: of the masked ones, expanded'),
  ]
  return `${introduction}${payload.join('')}${made}${[...variables, ...budget].join('')}${answers}`
}

function row(most: number, what: string): string {
  const [unit, ...meaning] = what.split(': ')
  return `| ${meaning.join(': ')} | ${number(most)} | ${unit} |\n`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
