/** What looks alike in one line of a terminal. */
export interface Span {
  readonly text: string
  /** Of the palette of 16; undefined: the terminal's own. */
  readonly color: number | undefined
  readonly isBold: boolean
  readonly isDim: boolean
}

/** What a terminal showed from a moment on, a line an entry. */
export interface Frame {
  readonly seconds: number
  readonly rows: readonly (readonly Span[])[]
}

const cell = { width: 8.4, height: 18 }
const padding = 16
/** The palette, the dark ones first. */
const colors = (
  '#484f58 #ff7b72 #3fb950 #d29922 #58a6ff #bc8cff #39c5cf #b1bac4 ' +
  '#6e7681 #ffa198 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #ffffff'
).split(' ')
/** The last frame stays so long, seconds. */
const restSeconds = 5

/** The frames as an animated picture that begins again and again: one strip that moves behind a window. */
export function terminalSvg(
  frames: readonly Frame[],
  { cols, rows }: { readonly cols: number; readonly rows: number },
): string {
  const width = cols * cell.width + 2 * padding
  const height = rows * cell.height + 2 * padding
  const symbols = new Map<string, string>()
  const strip = frames.flatMap((frame, index) =>
    frame.rows.flatMap((row, line) => {
      const text = textOf(row)
      if (text === '') return []
      const id = symbols.get(text) ?? `r${symbols.size}`
      symbols.set(text, id)
      return [`<use href="#${id}" y="${index * height + padding + (line + 0.8) * cell.height}"/>`]
    }),
  )
  const total = frames.at(-1)!.seconds + restSeconds
  const moves = frames.map(
    ({ seconds }, index) => `${((seconds / total) * 100).toFixed(3)}%{transform:translateY(${-index * height}px)}`,
  )
  const last = `100%{transform:translateY(${-(frames.length - 1) * height}px)}`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>npm start</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}
.b{font-weight:bold}.d{opacity:.6}
#strip{animation:play ${total.toFixed(1)}s step-end infinite}
@keyframes play{${moves.join('')}${last}}
</style>
<defs>
${[...symbols].map(([text, id]) => `<text id="${id}" x="${padding}" xml:space="preserve">${text}</text>`).join('\n')}
</defs>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g id="strip">
${strip.join('\n')}
</g>
</svg>
`
}

function textOf(row: readonly Span[]): string {
  const spans = row.map(({ text, color, isBold, isDim }) => {
    const classes = [...(isBold ? ['b'] : []), ...(isDim ? ['d'] : [])]
    const attributes = [
      ...(classes.length > 0 ? [` class="${classes.join(' ')}"`] : []),
      ...(color === undefined ? [] : [` fill="${colors[color % colors.length]}"`]),
    ]
    const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    return attributes.length === 0 ? escaped : `<tspan${attributes.join('')}>${escaped}</tspan>`
  })
  return spans.join('').trimEnd()
}
