import { writeFile } from 'node:fs/promises'
import { describeError } from '../contract/describe-error.ts'
import { loadExport } from '../plugins/load-plugin.ts'
import { createSshConnector } from '../ssh/ssh-connector.ts'
import type { CloudControls } from '../testing/conformance/cloud-controls.ts'
import type { ConformanceCloud, CreateConformanceCloud } from '../testing/conformance/conformance-cloud.ts'
import { ConformanceRun } from '../testing/conformance/conformance-run.ts'
import { conformanceCases, runCases } from '../testing/conformance/run-conformance.ts'
import { outcomeLines, summaryLines, waitLine } from '../testing/conformance/text-report.ts'
import { describeGroup } from './doctor-command.ts'
import { exitCode } from './exit-code.ts'
import { readGroupConfig } from './group-config.ts'
import { jsonReport } from './json-report.ts'
import { junitReport } from './junit-report.ts'
import { loadGroup } from './load-group.ts'
import type { Output } from './output.ts'
import { StartError } from './start-error.ts'

export interface ConformanceArguments {
  readonly config?: string
  readonly cloud?: string
  readonly maxInstances?: number
  /** Milliseconds. */
  readonly patience?: number
  /** Milliseconds. */
  readonly poll?: number
  readonly only?: string
  readonly json?: true
  readonly junit?: string
  readonly yes?: true
}

/** `fleeting conformance`: runs the suite on a plugin and reports. Thrown: {@link StartError}. */
export async function conformance(
  plugin: string,
  args: ConformanceArguments,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const cases = conformanceCases.filter(({ name }) => args.only === undefined || name.includes(args.only))
  if (cases.length === 0) throw new StartError(`--only: no case has ${JSON.stringify(args.only)} in its name`)
  const config = await readGroupConfig(args.config)
  await using cloud = await startCloud(args.cloud, config.pluginConfig)
  const pluginConfig = { ...config.pluginConfig, ...cloud?.pluginConfig }
  const connector = { ...config.connector, ...cloud?.connector }
  const ssh = createSshConnector({ connector })
  const { make, isElsewhere } = await loadGroup(plugin, { pluginConfig, connector }, cloud?.options?.clock)
  const { clock, ...options } = cloud?.options ?? {}
  const run = await start(make, {
    connect: (info, until) => ssh.connect(info, until),
    ...options,
    // A clock that is set forward here is not the one that a plugin in a process of its own reads.
    ...(clock !== undefined && !isElsewhere && { clock }),
    ...(cloud?.controls && { cloud: isElsewhere ? withoutPassTime(cloud.controls) : cloud.controls }),
    ...(args.maxInstances !== undefined && { maxInstances: args.maxInstances }),
    ...(args.patience !== undefined && { patienceMs: args.patience }),
    ...(args.poll !== undefined && { pollMs: args.poll }),
    onWait: (wait) => output.err(`    ${waitLine(wait)}`),
    signal,
  })

  const print = args.json ? output.err : output.out
  for (const line of describeGroup(run.info)) print(line)
  if (run.others.size > 0 && !args.yes) {
    await run.finish()
    throw new StartError(
      `the group already has instances: ${[...run.others].join(', ')}. They would be kept, but instances that others launch during the run would be removed; --yes continues anyway`,
    )
  }
  print(
    `This launches and removes instances in that group, at most ${run.maxInstances} at once, which may cost money. Ctrl-C stops the run and removes them.`,
  )
  let done = 0
  const report = await runCases(run, {
    cases,
    onOutcome(outcome) {
      done += 1
      for (const line of outcomeLines(outcome, done, cases.length + 1)) print(line)
    },
  })
  for (const line of summaryLines(report)) print(line)
  if (args.json) output.out(jsonReport(run.info, report))
  if (args.junit !== undefined) await writeFile(args.junit, junitReport(run.info.id, report))
  return report.failed === 0 && !signal.aborted ? exitCode.ok : exitCode.failed
}

function withoutPassTime(controls: CloudControls): CloudControls {
  return new Proxy(controls, {
    get(target, property) {
      const value: unknown = property === 'passTime' ? undefined : Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function startCloud(
  reference: string | undefined,
  pluginConfig: Readonly<Record<string, unknown>>,
): Promise<ConformanceCloud | undefined> {
  if (reference === undefined) return undefined
  try {
    const { exported } = await loadExport<CreateConformanceCloud>('createConformanceCloud', reference, {})
    return await exported(pluginConfig)
  } catch (cause) {
    throw new StartError(`--cloud: ${describeError(cause)}`, { cause })
  }
}

async function start(...args: Parameters<typeof ConformanceRun.start>): Promise<ConformanceRun> {
  try {
    return await ConformanceRun.start(...args)
  } catch (cause) {
    throw new StartError(`the group cannot be started: ${describeError(cause)}`, { cause })
  }
}
