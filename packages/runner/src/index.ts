/**
 * Takes jobs from GitLab and runs them on autoscaled machines. The command line interface is `runner-core`; this is
 * what a program of one's own embeds.
 *
 * @module
 */

/** Configuration. */
export type { FindPlugin } from './config/checks/check-plugins.ts'
export { loadConfig } from './config/load-config.ts'
export { type ConfigSource, type ParsedConfig, parseConfig } from './config/parse-config.ts'
export { ConfigError, describeProblem, type Problem } from './config/problem.ts'
export type {
  AutoscalerSettings,
  ListenAddress,
  LogFormat,
  LogLevel,
  RunnerSettings,
  ScaleThrottle,
  Settings,
} from './config/settings.ts'
/** What would be done about a runner's instances now. */
export { type FleetPlan, type FleetPlanOptions, readFleetPlan } from './fleet/fleet-plan.ts'
/** GitLab's job API. */
export { JobApiError, type JobApiErrorCode } from './gitlab/http/job-api-error.ts'
export type { Environment } from './gitlab/http/proxy.ts'
export {
  JobApiClient,
  type JobApiClientOptions,
  type JobRequestAnswer,
  type JobUpdate,
} from './gitlab/job-api-client.ts'
export type { JobReply } from './gitlab/job-reply.ts'
export type { JobCredentials } from './gitlab/payload/parse-job.ts'
export type { Delivery } from './gitlab/report/deliver-outcome.ts'
export { JobAbort, type JobAbortCode } from './gitlab/report/job-abort.ts'
export { JobReporter, type JobReporterOptions } from './gitlab/report/job-reporter.ts'
export {
  describeRunner,
  type RunnerFeature,
  type RunnerInfo,
  type RunnerInfoOptions,
  runnerFeatures,
} from './gitlab/runner-info.ts'
export { loadSystemId, type SystemIdOptions } from './identity/system-id.ts'
export { secretsOf } from './logging/configured-secrets.ts'
export { createLogger, type LoggerOptions } from './logging/create-logger.ts'
/** The runner itself. */
export { Runner, type RunnerOptions } from './runner.ts'
export type { HealthReport } from './status/health.ts'
export type { StopMode, StopReport } from './supervisor/runner-supervisor.ts'
