import type { Clock } from '@runner-core/fleeting'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { StringMap } from '../settings/docker-settings.ts'
import type { JobNetwork } from '../settings/job-network.ts'
import { readServiceLogs } from './service-logs.ts'
import { awaitReadiness, type Readiness } from './service-readiness.ts'
import type { ServiceReport, StartedService } from './start-services.ts'

export interface WaitForServicesOptions {
  readonly services: readonly StartedService[]
  /** 0: they are not waited for. */
  readonly waitMs: number
  readonly network: JobNetwork
  /** An image with `sh` and `sleep`, on the Engine: asked for where a service's own image has none. */
  readonly helperImage: () => Promise<string>
  /** Of the attempt to run the job. */
  readonly labels: StringMap
  /** For a container that is made to look. */
  readonly containerName: (service: StartedService) => string
  readonly report: ServiceReport
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Waits until all services are up, or their time is over. The job goes on in any case: of a service that did not come
 * up the trace shows the logs. Rejects with `EngineError` where the Engine cannot be reached, and with the signal's
 * reason.
 */
export async function waitForServices(engine: Engine, options: WaitForServicesOptions): Promise<void> {
  const { services, waitMs, report, containerName, signal } = options
  if (waitMs === 0 || services.length === 0) return
  report.line(`Waiting for services to be up and running (timeout ${waitMs / 1000} seconds)...`)
  await Promise.all(
    services.map(async (service) => {
      const readiness = await awaitReadiness(engine, service, { ...options, containerName: containerName(service) })
      await tell(engine, service, readiness, report, signal)
    }),
  )
}

async function tell(
  engine: Engine,
  service: StartedService,
  readiness: Readiness,
  report: ServiceReport,
  signal: AbortSignal,
): Promise<void> {
  const { title } = service
  if (readiness.state === 'up') return
  if (readiness.state === 'unknown') {
    report.line(`Not waiting for service ${title}: ${readiness.why}.`)
    return
  }
  const why = readiness.state === 'ended' ? `it ended with exit code ${readiness.exitCode}` : readiness.why
  const logs = await readServiceLogs(engine, service, signal).catch((error: unknown) => {
    if (!(error instanceof EngineError)) throw error
    return [error.message]
  })
  // At once, so that the lines of two services are not mixed.
  report.warning(`Service ${title} probably didn't start properly: ${why}.`)
  report.line(logs.length === 0 ? `Service ${title} printed nothing.` : `Logs of service ${title}:`)
  for (const line of logs) report.line(line)
}
