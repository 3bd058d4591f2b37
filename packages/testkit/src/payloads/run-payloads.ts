import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stockConfig } from '../manager/runner-configs.ts'
import { startRunner } from '../manager/runner-process.ts'
import { rejectsWhenAborted } from './aborted.ts'
import { CoordinatorServer, endLines } from './coordinator-server.ts'
import {
  allPayloads,
  chosenPayloads,
  ourConfig,
  ownDirectories,
  payloadFolder,
  serveSources,
  startMachine,
} from './payload-world.ts'
import { type RecordedRun, recordRun } from './recorded-run.ts'

const bin = fileURLToPath(new URL('../../../runner/bin/runner-core.js', import.meta.url))

export interface RunPayloadsOptions {
  /** What the runner calls itself. */
  readonly runner: string
  /** A stock gitlab-runner's executable. Default: this project's runner. */
  readonly stock?: string | undefined
  /** Names of payloads; those that they need are added. Default: all. */
  readonly only?: readonly string[] | undefined
  /** Called with a line for each job that ended, and for what else is to be told. */
  readonly progress?: ((line: string) => void) | undefined
  /** Ends the run early, and what it started with it. */
  readonly signal?: AbortSignal | undefined
}

/** Of each job. */
const deadlineMs = 120_000

/** Has a runner do the payloads on one OpenSSH server, one after another, and puts down what came of them. */
export async function runPayloads({ runner, stock, only, progress, signal }: RunPayloadsOptions): Promise<RecordedRun> {
  await using cleanUp = new AsyncDisposableStack()
  const stopped = rejectsWhenAborted(signal)
  const folder = payloadFolder(cleanUp)
  const sources = await serveSources(cleanUp)
  const payloads = only === undefined ? allPayloads(sources) : chosenPayloads(allPayloads(sources), only)
  const server = cleanUp.use(await CoordinatorServer.start(payloads, { deadlineMs, onEnd: endLines(progress) }))
  // Stock moves files by itself on the machine.
  const programs = join(folder, 'programs')
  mkdirSync(programs)
  if (stock !== undefined) symlinkSync(stock, join(programs, 'gitlab-runner'))
  const machine = await startMachine(folder, cleanUp, stock === undefined ? [] : [programs])
  const config = join(folder, 'config.toml')
  writeFileSync(
    config,
    stock === undefined
      ? ourConfig(server, folder, machine)
      : stockConfig(server.url, server.token, machine, { concurrent: 1, directories: ownDirectories(folder) }),
  )
  const started = cleanUp.use(startRunner(stock ?? bin, ['run', '--config', config], join(folder, 'log')))
  const results = await Promise.race([server.results(), started.ended, stopped])
  const commits = Object.entries(sources).flatMap(([name, source]): (readonly [string, string])[] =>
    typeof source === 'string'
      ? []
      : [
          [source.sha, `COMMIT OF ${name}`],
          [source.sha.slice(0, 8), `COMMIT OF ${name}`],
        ],
  )
  return recordRun(runner, results, [[folder, 'FOLDER'], ...commits, [hostname(), 'HOST']])
}
