// Writes docs/reference/api/ from the declarations that `tsc -b` makes: a page for each published package, all that it
// exports in the order of its index. Not kept in the repository: they are as long as all of its other docs, and change
// with every type.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Statement {
  /** Text of the comment before it, without the stars; empty when there is none. */
  readonly comment: string
  readonly code: string
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly description: string
  readonly exports: Readonly<Record<string, { readonly types?: string } | string>>
}

const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'docs/reference/api')

const pages = [
  { name: 'README.md', content: indexPage() },
  ...packages().map(({ folder, manifest }) => ({ name: `${folder}.md`, content: packagePage(folder, manifest) })),
]
rmSync(target, { recursive: true, force: true })
mkdirSync(target)
for (const { name, content } of pages) writeFileSync(join(target, name), content)
console.log(`docs/reference/api: ${pages.length} pages`)

function packages(): readonly { readonly folder: string; readonly manifest: Manifest }[] {
  return globSync('packages/*/package.json', { cwd: root })
    .sort()
    .map((path) => ({
      folder: dirname(path).slice('packages/'.length),
      manifest: JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest,
    }))
    .filter(({ manifest }) => manifest.private !== true)
}

function indexPage(): string {
  const rows = packages().map(
    ({ folder, manifest }) => `| [\`${manifest.name}\`](${folder}.md) | ${manifest.description} |\n`,
  )
  return `# What the packages export

One page for each package, made from its types by \`npm run reference\`.
What is not named here is not public, and may change at any time.

| package | |
|---|---|
${rows.join('')}`
}

function packagePage(folder: string, { name, description, exports }: Manifest): string {
  const entries = Object.entries(exports).flatMap(([subpath, entry]) =>
    typeof entry === 'string' || entry.types === undefined
      ? []
      : [{ module: posix.join(name, subpath), types: entry.types }],
  )
  const sections = entries.map(({ module, types }) => moduleSection(module, join('packages', folder, types)))
  return `# \`${name}\`\n\n${description}\n${sections.join('')}`
}

function moduleSection(module: string, file: string): string {
  const items = exportsOf(file).map(({ name, statement }) => itemSection(name, statement))
  return `\n## \`${module}\`\n${paragraph(moduleComment(file))}${items.join('')}`
}

function itemSection(name: string, { comment, code }: Statement): string {
  // Not `ts`: what stands in such a block elsewhere is a file that somebody runs.
  return `\n### \`${name}\`\n${paragraph(comment)}\n\`\`\`typescript\n${code}\n\`\`\`\n`
}

/** All that a declaration file exports, its own and others', in its order. Overloads are one item. */
function exportsOf(file: string): readonly { readonly name: string; readonly statement: Statement }[] {
  return statementsOf(file).flatMap(({ comment, code }) => {
    const list = /^export (?:type )?\{([^}]*)\}(?: from '([^']+)')?;$/s.exec(code)
    if (list === null)
      return declarationName(code) === undefined ? [] : [{ name: declarationName(code)!, statement: { comment, code } }]
    const [, names = '', from] = list
    return names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .map((entry) => {
        const [local = '', name = local] = entry.split(' as ')
        return { name, statement: declaration(file, from ?? importedFrom(file, local), local) }
      })
  })
}

function declaration(file: string, from: string, name: string): Statement {
  if (!from.startsWith('.')) return { comment: `Of \`${from}\`.`, code: `export { ${name} } from '${from}'` }
  const source = join(dirname(file), from.replace(/\.ts$/, '.d.ts'))
  const found = exportsOf(source).filter((item) => item.name === name)
  if (found.length === 0) throw new Error(`${file} exports ${name}, which ${source} does not declare`)
  const [first] = found
  return { comment: first!.statement.comment, code: found.map(({ statement }) => statement.code).join('\n') }
}

function importedFrom(file: string, name: string): string {
  const imports = statementsOf(file).filter(
    ({ code }) => code.startsWith('import ') && new RegExp(`\\b${name}\\b`).test(code),
  )
  return /from '([^']+)'/.exec(imports[0]?.code ?? '')?.[1] ?? ''
}

function declarationName(code: string): string | undefined {
  return /^export (?:declare )?(?:abstract )?(?:class|interface|function|const|type|enum) (\w+)/.exec(code)?.[1]
}

/**
 * The statements of a file of declarations, each with the last comment before it. As `tsc` writes them, only what
 * begins a statement or a comment is a word or a slash that is not indented.
 */
function statementsOf(file: string): readonly Statement[] {
  const statements: Statement[] = []
  const parts = readFileSync(join(root, file), 'utf8').split(/\n(?=\w|\/)/)
  let comment = ''
  for (const part of parts.map((text) => text.trimEnd())) {
    if (part.startsWith('//')) continue
    if (!part.startsWith('/*')) statements.push({ comment, code: part })
    comment = part.startsWith('/*') ? part : ''
  }
  return statements
}

/** What a file says of itself. */
function moduleComment(file: string): string {
  const [first = ''] = /^\/\*\*.*?\*\//s.exec(readFileSync(join(root, file), 'utf8')) ?? []
  return first.includes('@module') ? first : ''
}

/** A comment as Markdown, without stars and tags of no use here; `{@link x}` becomes `x`. Empty for none. */
function paragraph(comment: string): string {
  const prose = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .filter((line) => line !== '@module')
    .join('\n')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .trim()
  return prose === '' ? '' : `\n${prose}\n`
}
