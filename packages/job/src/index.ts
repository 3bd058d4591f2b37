/**
 * GitLab's semantics of one CI job over a `JobEnvironment`. Knows no machine.
 *
 * @module
 */
export type { Clock } from './clock.ts'
export {
  EnvironmentError,
  type JobEnvironment,
  type OutputSink,
  type ScriptEnd,
  type ScriptRun,
  type ShellName,
} from './job-environment.ts'
export type { FailureReason, JobOutcome } from './job-outcome.ts'
export type { GitInfo, JobFeatures, JobHook, JobInfo, JobPayload, JobStep, JobVariable } from './job-payload.ts'
export { Trace, type TraceAuthor, type TraceOptions } from './trace/trace.ts'
