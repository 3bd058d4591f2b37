// Says where a line is longer than {@link longest}. What the formatter cannot break may be: a line counts without the
// longest of its strings, templates and regular expressions.
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

if (import.meta.main) {
  const files = execFileSync('git', ['ls-files', '-z', '*.ts', '*.js', '*.cjs', '*.mjs'], { encoding: 'utf8' })
  const found = files
    .split('\0')
    .filter((file) => file !== '')
    .flatMap((file) => longLines(file, readFileSync(file, 'utf8')).map((line) => `${file}:${line}`))
  for (const place of found) console.log(`${place}: longer than ${longest} characters`)
  process.exitCode = found.length === 0 ? 0 : 1
}
