// `node scripts/record-start.ts`: runs `npm start` in a terminal, and draws what it showed to docs/start.svg, which the
// README shows. Needs `script` of util-linux.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import xterm from '@xterm/headless'
import { type Frame, type Span, terminalSvg } from './terminal-svg.ts'

const size = { cols: 120, rows: 32 }
/** Frames are at least so far apart, seconds: each is drawn whole. */
const frameSeconds = 1

const folder = mkdtempSync(join(tmpdir(), 'runner-core-record-'))
try {
  const [output, timing] = [join(folder, 'output'), join(folder, 'timing')]
  const command = `stty cols ${size.cols} rows ${size.rows}; npm start --silent`
  execFileSync('script', ['--quiet', '--return', '--log-out', output, '--log-timing', timing, '--command', command], {
    stdio: 'inherit',
  })
  const frames = await framesOf(readFileSync(output), readFileSync(timing, 'utf8'))
  writeFileSync(new URL('../docs/start.svg', import.meta.url), terminalSvg(frames, size))
} finally {
  rmSync(folder, { recursive: true })
}

/** What the terminal showed: the log has a line before and after the output, the times are `SECONDS BYTES`. */
async function framesOf(log: Buffer, timing: string): Promise<readonly Frame[]> {
  const terminal = new xterm.Terminal({ ...size, allowProposedApi: true, scrollback: 0 })
  const frames: Frame[] = []
  const draw = (seconds: number): void => {
    const { active } = terminal.buffer
    const rows = Array.from({ length: size.rows }, (_, row) => rowOf(active.getLine(active.baseY + row)))
    frames.push({ seconds, rows })
  }
  const write = (data: string | Uint8Array): Promise<void> => new Promise((resolve) => terminal.write(data, resolve))
  await write('\u001b[1m$ npm start\u001b[0m\r\n')
  let at = log.indexOf('\n') + 1
  let seconds = 0
  for (const line of timing.trim().split('\n')) {
    const [wait = 0, bytes = 0] = line.split(' ').map(Number)
    if (seconds + wait - (frames.at(-1)?.seconds ?? -frameSeconds) >= frameSeconds) draw(seconds)
    seconds += wait
    await write(log.subarray(at, at + bytes))
    at += bytes
  }
  draw(seconds)
  return frames
}

/** The cells of a line, those that look alike together. */
function rowOf(line: xterm.IBufferLine | undefined): readonly Span[] {
  const spans: { -readonly [Field in keyof Span]: Span[Field] }[] = []
  for (let column = 0; column < (line?.length ?? 0); column += 1) {
    const cell = line!.getCell(column)!
    const text = cell.getChars() || ' '
    const color = cell.isFgPalette() ? cell.getFgColor() : undefined
    const [isBold, isDim] = [cell.isBold() !== 0, cell.isDim() !== 0]
    const last = spans.at(-1)
    if (last?.color === color && last?.isBold === isBold && last.isDim === isDim) last.text += text
    else spans.push({ text, color, isBold, isDim })
  }
  return spans
}
