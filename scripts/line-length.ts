// Says where a line is longer than {@link longest}. What cannot be broken may be: a line of code counts without the
// longest of its strings, templates and regular expressions, one of Markdown without the longest target of a link.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'oxc-parser'

/** Characters. */
export const longest = 120

interface Span {
  readonly start: number
  readonly end: number
}

/** Numbers, from 1, of the lines of a source that are too long. Thrown: an error where it cannot be parsed. */
export function longLines(file: string, source: string): readonly number[] {
  const lines = source.split('\n')
  if (lines.every((line) => line.length <= longest)) return []
  const { program, errors } = parseSync(file, source)
  if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`)
  const texts: Span[] = []
  const text = (node: Span): void => void texts.push(node)
  new Visitor({ Literal: text, TemplateLiteral: text }).visit(program)
  let start = 0
  return lines.flatMap((line, index) => {
    const end = start + line.length
    const unbreakable = texts.map((span) => Math.min(end, span.end) - Math.max(start, span.start))
    start = end + 1
    return line.length - Math.max(0, ...unbreakable) > longest ? [index + 1] : []
  })
}

/** The same for Markdown. Code blocks, and rows of tables, which cannot be broken, may be longer. */
export function longProse(source: string): readonly number[] {
  let isCode = false
  return source.split('\n').flatMap((line, index) => {
    const start = line.trimStart()
    if (start.startsWith('```')) isCode = !isCode
    if (isCode || start.startsWith('|') || start.startsWith('<')) return []
    const targets = [...line.matchAll(/\]\([^)\s]*\)/g)].map(([target]) => target.length)
    return line.length - Math.max(0, ...targets) > longest ? [index + 1] : []
  })
}

/** Made from the code, or by `changeset`, which makes one line of each paragraph. */
const made = /^(docs\/reference\/(config|dependencies|limits)\.md|\.changeset\/.*|.*CHANGELOG\.md)$/

if (import.meta.main) {
  const files = execFileSync('git', ['ls-files', '-z', '*.ts', '*.js', '*.cjs', '*.mjs', '*.md'], { encoding: 'utf8' })
  const found = files
    .split('\0')
    .filter((file) => file !== '' && !made.test(file))
    .flatMap((file) => {
      const source = readFileSync(file, 'utf8')
      const lines = file.endsWith('.md') ? longProse(source) : longLines(file, source)
      return lines.map((line) => `${file}:${line}`)
    })
  for (const place of found) console.log(`${place}: longer than ${longest} characters`)
  process.exitCode = found.length === 0 ? 0 : 1
}
