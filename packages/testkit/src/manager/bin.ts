import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export const bin: string = fileURLToPath(new URL('../../../runner/bin/runner-core.js', import.meta.url))
const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** A run of `runner-core`, with what it said so far. */
export interface BinRun {
  readonly process: ChildProcess
  stdout: string
  stderr: string
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>
}

/** Starts `runner-core` as a shell would. */
export function startBin(
  args: readonly string[],
  { node = process.execPath, env = process.env }: { readonly node?: string; readonly env?: NodeJS.ProcessEnv } = {},
): BinRun {
  return follow(spawn(node, [bin, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** Starts `npx runner-core` in the checkout. */
export function startNpx(args: readonly string[]): BinRun {
  return follow(spawn('npx', ['runner-core', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }))
}

function follow(child: ChildProcessByStdio<null, Readable, Readable>): BinRun {
  const run: BinRun = {
    process: child,
    stdout: '',
    stderr: '',
    ended: new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? (signal as string)))),
  }
  child.stdout.on('data', (chunk: Buffer) => {
    run.stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    run.stderr += chunk.toString()
  })
  return run
}

/** Runs it to its end. */
export async function runBin(
  args: readonly string[],
  options?: Parameters<typeof startBin>[1],
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const run = startBin(args, options)
  const code = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}
