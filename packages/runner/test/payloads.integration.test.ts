// Forty jobs that use all that a job can have, on a machine of plugin `local` and on one with OpenSSH, from this
// project's coordinator and from one that others could have written.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startBin } from '@runner-core/testkit/manager/bin'
import { compareRuns } from '@runner-core/testkit/payloads/compare-runs'
import { CoordinatorServer } from '@runner-core/testkit/payloads/coordinator-server'
import {
  allPayloads,
  ourConfig,
  payloadFolder,
  serveSources,
  sourcesMissing,
  startMachine,
} from '@runner-core/testkit/payloads/payload-world'
import { PythonServer, pythonMissing } from '@runner-core/testkit/payloads/python-server'
import { ownRecord, parseRecordedRun, recordRun } from '@runner-core/testkit/payloads/recorded-run'
import { unmetExpectations } from '@runner-core/testkit/payloads/unmet-expectations'
import { sshdMissing } from '@runner-core/testkit/ssh/openssh-server'
import { test } from 'vitest'

const servers = {
  "this project's coordinator": { Server: CoordinatorServer, missing: undefined },
  'an independent coordinator': { Server: PythonServer, missing: pythonMissing() },
}
const machines = { local: undefined, OpenSSH: sshdMissing() }
const cases = Object.entries(servers).flatMap(([served, { Server, missing }]) =>
  Object.entries(machines).map(([machine, absent]) => ({
    served,
    Server,
    machine,
    missing: missing ?? absent ?? sourcesMissing(),
  })),
)
for (const { served, machine, missing } of cases)
  if (missing !== undefined) console.warn(`SKIPPED: forty payloads on ${machine} from ${served}: ${missing}`)

test.concurrent.for(cases)(
  'forty payloads on $machine from $served end as they must',
  { timeout: 300_000 },
  async ({ Server, machine, missing }, { expect, signal, skip }) => {
    if (missing !== undefined) skip(missing)
    await using cleanUp = new AsyncDisposableStack()
    const folder = payloadFolder(cleanUp)
    const payloads = allPayloads(await serveSources(cleanUp))
    expect(payloads).toHaveLength(40)
    const server = cleanUp.use(await Server.start(payloads))
    const config = join(folder, 'config.toml')
    writeFileSync(
      config,
      ourConfig(server, folder, machine === 'local' ? undefined : await startMachine(folder, cleanUp)),
    )
    const run = startBin(['run', '--config', config])
    cleanUp.defer(() => void run.process.kill('SIGKILL'))
    const early = run.ended.then((code) => Promise.reject(new Error(`the runner ended with ${code}:\n${run.stderr}`)))
    early.catch(() => {})

    // A test that takes too long still ends what it started, and says which jobs do not end.
    const tooLong = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )
    const results = await Promise.race([server.results(), early, tooLong])
    const wrong = payloads.flatMap((payload, index) => {
      const result = results[index]!
      const unmet = unmetExpectations(payload, result).map((text) => `${payload.name}: ${text}`)
      return unmet.length === 0 ? [] : [...unmet, result.trace.slice(-4000)]
    })
    wrong.push(...server.violations())
    expect(wrong, wrong.join('\n\n')).toEqual([])
    // As it was put down for `npm run compare`; the words of git are those of its version.
    const recorded = compareRuns(recordRun('', results, []), parseRecordedRun(readFileSync(ownRecord, 'utf8')), [])
    const isOur = Server === CoordinatorServer
    expect(
      recorded.filter(({ field, payload }) => field !== 'trace' && (isOur || !payload.startsWith('canceled'))),
    ).toEqual([])
    run.process.kill('SIGQUIT')
    expect(await run.ended, run.stderr).toBe(0)
  },
)
