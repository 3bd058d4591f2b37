// Says where an import goes into another package other than by the name of one of its entries.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Expression, parseSync, type StringLiteral, Visitor } from 'oxc-parser'

/** The imports that cross a border, as `file:line: why`. `file` is relative to the root of the repository. */
export function crossings(file: string, source: string): readonly string[] {
  return importsOf(file, source).flatMap(({ specifier, start }) => {
    const why = specifier.startsWith('.') ? leaves(file, specifier) : isDeep(specifier)
    return why === undefined ? [] : [`${file}:${source.slice(0, start).split('\n').length}: '${specifier}' ${why}`]
  })
}

function importsOf(file: string, source: string): readonly { readonly specifier: string; readonly start: number }[] {
  const found: { readonly specifier: string; readonly start: number }[] = []
  const look = ({ source: from }: { readonly source: Expression | StringLiteral | null }): void => {
    if (from?.type === 'Literal' && typeof from.value === 'string')
      found.push({ specifier: from.value, start: from.start })
  }
  const { program, errors } = parseSync(file, source)
  if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`)
  new Visitor({
    ImportDeclaration: look,
    ExportNamedDeclaration: look,
    ExportAllDeclaration: look,
    ImportExpression: look,
    TSImportType: look,
  }).visit(program)
  return found
}

function leaves(file: string, specifier: string): string | undefined {
  const target = packageOf(join(dirname(file), specifier))
  return target === packageOf(file) ? undefined : `leaves the package; import from ${target} by name`
}

function isDeep(specifier: string): string | undefined {
  return /^@runner-core\/[^/]+\/(?:src|test|bench|dist)(?:\/|$)/.test(specifier)
    ? 'is inside another package; import one of its entries'
    : undefined
}

/** Its folder; `the root` for what is in no package. */
function packageOf(file: string): string {
  return /^(?:packages|examples)\/[^/]+(?=\/)/.exec(file)?.[0] ?? 'the root'
}

if (import.meta.main) {
  const files = execFileSync('git', ['ls-files', '-z', '*.ts', '*.js', '*.mjs'], { encoding: 'utf8' })
  const found = files
    .split('\0')
    .filter((file) => file !== '')
    .flatMap((file) => crossings(file, readFileSync(file, 'utf8')))
  for (const place of found) console.log(place)
  process.exitCode = found.length === 0 ? 0 : 1
}
