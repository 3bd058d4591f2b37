import { styleText } from 'node:util'
import { printable } from './printable.ts'

/**
 * A pino line as people read it: `2026-01-02T03:04:05.678Z INFO  job finished runner=linux job=12`. `runner` is the
 * runner's name, where it has one, instead of the beginning of its token. What is no JSON stays as it is. Control
 * characters are escaped, wherever they stand.
 */
export function textLine(json: string, hasColors: boolean): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(json) as Record<string, unknown>
  } catch {
    return `${printable(json.trimEnd())}\n`
  }
  const paint: Paint = hasColors
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text
  const { time, level, msg, runner_name: name, ...fields } = record
  if (name !== undefined && name !== '') fields['runner'] = name
  const rest = Object.entries(fields).map(([key, value]) => ` ${paint('dim', `${printable(key)}=`)}${fieldText(value)}`)
  const word = printable(String(level))
  const levelText = paint(levelStyles.get(word) ?? 'dim', word.toUpperCase().padEnd(5))
  return `${paint('dim', printable(String(time)))} ${levelText} ${printable(String(msg))}${rest.join('')}\n`
}

type Style = 'red' | 'yellow' | 'green' | 'dim'
type Paint = (style: Style, text: string) => string

const levelStyles: ReadonlyMap<string, Style> = new Map([
  ['error', 'red'],
  ['warn', 'yellow'],
  ['info', 'green'],
])

function fieldText(value: unknown): string {
  const text = isError(value) ? value.message : typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) && printable(text) === text ? text : printable(JSON.stringify(text))
}

/** An error as pino writes it. */
function isError(value: unknown): value is { readonly message: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'stack' in value &&
    'message' in value &&
    typeof value.message === 'string'
  )
}
