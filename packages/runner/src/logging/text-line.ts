import { styleText } from 'node:util'

/**
 * A pino line as people read it: `2026-01-02T03:04:05.678Z INFO  job finished runner=linux job=12`. `runner` is the runner's name, where it has one, instead of
 * the beginning of its token. What is no JSON stays as it is.
 */
export function textLine(json: string, hasColors: boolean): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json
  }
  const paint: Paint = hasColors ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text
  const { time, level, msg, runner_name: name, ...fields } = record
  if (name !== undefined && name !== '') fields['runner'] = name
  const rest = Object.entries(fields).map(([key, value]) => ` ${paint('dim', `${key}=`)}${fieldText(value)}`)
  const word = String(level)
  const levelText = paint(levelStyles.get(word) ?? 'dim', word.toUpperCase().padEnd(5))
  return `${paint('dim', String(time))} ${levelText} ${String(msg)}${rest.join('')}\n`
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
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

/** An error as pino writes it. */
function isError(value: unknown): value is { readonly message: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value && typeof value.message === 'string'
}
