// `npm start`: CI jobs that arrive as real traffic does, run on machines that come and go with them. See the README
// beside this file.
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DemoRun } from './demo-run.ts'
import { findLeaks } from './leaks.ts'
import { graphWidth, renderFrame, renderLine } from './live-view.ts'
import { type DemoOptions, parseOptions, usage } from './options.ts'
import { complaintsOf, renderReport, resultOf } from './report.ts'
import { FrameWriter } from './terminal.ts'
import { compress, parseTraffic } from './traffic.ts'

const frameMs = 100
const lineMs = 2000

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const traffic = parseTraffic(readFileSync(new URL('./ci-jobs-2025-03.csv', import.meta.url), 'utf8'))
  const options = parseOptions(args, traffic.length)
  if (options === 'help') {
    console.log(usage)
    return 0
  }
  const problems = 'problems' in options ? options.problems : unwritable(options.json)
  if ('problems' in options || problems.length > 0) {
    console.error([...problems.map((problem) => `npm start: ${problem}`), '', usage].join('\n'))
    return 2
  }
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('interrupted')))
  process.once('SIGTERM', () => stop.abort(new Error('terminated')))
  try {
    return await demonstrate(options, compress(traffic, options.jobs), stop.signal)
  } catch (error) {
    if (stop.signal.aborted) {
      console.log('stopped; everything was taken down')
      return 130
    }
    console.error(`npm start: ${(error as Error).message}`)
    return 1
  }
}

async function demonstrate(
  options: DemoOptions,
  { arrivals, speed }: ReturnType<typeof compress>,
  signal: AbortSignal,
): Promise<number> {
  const { jobs, slots, maxInstances, plugin, json } = options
  console.log(
    `${jobs} CI jobs at ${Math.round(speed)} times the speed of March 2025, up to ${maxInstances} instances of ${slots} slots, plugin ${plugin}\n`,
  )
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-demo-'))
  try {
    // Imported only for those who ask for it: it brings a library of its own.
    const docker = plugin === 'docker' ? await import('./docker-side.ts') : undefined
    await docker?.ensureImage()
    const run = new DemoRun(options)
    const hideView = showLive(run)
    const outcome = await run.run(arrivals, folder, signal).finally(hideView)
    const containers = (await docker?.leftContainers(basename(folder))) ?? []
    const record = { ...outcome, leaked: [...findLeaks(folder), ...containers] }
    console.log(['', ...renderReport(record, process.stdout.isTTY), ''].join('\n'))
    const complaints = complaintsOf(record, maxInstances)
    for (const complaint of complaints) console.error(`WRONG: ${complaint}`)
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(resultOf(record))}\n`)
    return complaints.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Shows how the run stands, again and again: in place on a terminal, as lines elsewhere. Returns how to stop. */
function showLive(run: DemoRun): () => void {
  const { stdout } = process
  if (!stdout.isTTY) {
    const timer = setInterval(() => console.log(renderLine(run.state(1))), lineMs)
    return () => clearInterval(timer)
  }
  const frames = new FrameWriter(stdout)
  const draw = (): void => frames.draw(renderFrame(run.state(graphWidth(stdout.columns)), stdout.columns))
  const timer = setInterval(draw, frameMs)
  return () => {
    clearInterval(timer)
    draw()
    frames[Symbol.dispose]()
  }
}

function unwritable(file: string | undefined): readonly string[] {
  if (file === undefined) return []
  try {
    accessSync(dirname(file), constants.W_OK)
    if (!statSync(file, { throwIfNoEntry: false })?.isDirectory()) return []
  } catch {
    // Said below.
  }
  return [`--json: expected a file in a directory that can be written to, got ${file}`]
}
