/**
 * GitLab's semantics of one CI job over a `JobEnvironment`. Knows no machine.
 *
 * @module
 */

export {
  type ArtifactDestination,
  type ArtifactUpload,
  ArtifactUploadError,
  type ArtifactUploadErrorCode,
} from './artifacts/artifact-destination.ts'
export {
  type ArtifactDownload,
  ArtifactDownloadError,
  type ArtifactDownloadErrorCode,
  type ArtifactSource,
} from './artifacts/artifact-source.ts'
export type { ClonePaths } from './build-paths.ts'
export type { CachePlace } from './caches/cache-context.ts'
export {
  type CacheArchive,
  CacheError,
  type CacheErrorCode,
  type CacheName,
  type CacheStore,
} from './caches/cache-store.ts'
export type { Clock } from './clock.ts'
export { type ClaimedScriptOptions, claimedScript } from './detach/claimed-script.ts'
export type { DetachedScript } from './detach/detached-files.ts'
/** For an environment whose scripts outlive its connection. */
export { type DetachedScriptOptions, detachedScript } from './detach/detached-script.ts'
export { type FollowScriptOptions, followScript } from './detach/follow-script.ts'
export { type KillScriptOptions, killLimitMs, killScript } from './detach/kill-script.ts'
export { type RelayScriptOptions, relayEnd, relayScript } from './detach/relay-script.ts'
export { type HeldSlot, readSlotReport, type SlotClaim, type SlotReport, slotReportScript } from './detach/slot-file.ts'
export { type StartedOutput, type StartKind, StartMark } from './detach/start-mark.ts'
export { type DetachedLeftover, wipeScript } from './detach/wipe-script.ts'
export type { FailureReason } from './failure-reason.ts'
export { PathPattern, PathPatternError } from './files/path-pattern.ts'
export { formatGoDuration, parseGoDuration } from './go-duration.ts'
export { type BudgetResource, jobBounds } from './job-budget.ts'
export {
  EnvironmentError,
  type EnvironmentErrorCode,
  type FileTransfer,
  type HelperPlace,
  type JobEnvironment,
  type JobPlace,
  type OutputSink,
  type ScriptEnd,
  type ScriptRun,
  type ShellName,
} from './job-environment.ts'
export { JobError, type JobErrorCode, type JobErrorOptions } from './job-error.ts'
export { jobFeatures } from './job-features.ts'
export type { JobOutcome } from './job-outcome.ts'
export type {
  GitInfo,
  JobArtifact,
  JobCache,
  JobCredential,
  JobDependency,
  JobFeatures,
  JobHook,
  JobImage,
  JobInfo,
  JobPayload,
  JobService,
  JobStep,
  JobVariable,
} from './job-payload.ts'
export type { JobStage } from './job-stage.ts'
/** For an environment that serves jobs of several projects with one login. */
export { startsPrograms } from './login/login-files.ts'
export { type LoginScriptOptions, loginCommand, loginScript } from './login/login-script.ts'
export {
  type LoginChange,
  type LoginReport,
  type LoginState,
  loginChanges,
  readLoginReport,
} from './login/login-state.ts'
export { ownHomeDirectory } from './login/own-home.ts'
export type { JobCheckpoint, OnCheckpoint, ScriptCheckpoint, ScriptStart } from './run/job-checkpoint.ts'
export type { JobTrace, LogRecord, SaidText } from './run/job-log.ts'
export { type ForeignScript, runForeignScript } from './run/run-foreign-script.ts'
export { type PrepareLog, type RunJobOptions, runJob } from './run/run-job.ts'
export type { RunnerIdentity } from './runner-identity.ts'
export type { RunnerScripts } from './runner-scripts.ts'
export { type DiskTrouble, type DiskTroubleKind, readDiskTrouble, readLowSpace } from './script/disk-trouble.ts'
/** For those who implement a `JobEnvironment`. */
export type { JobMarker } from './script/job-marker.ts'
export { type ShellCommandOptions, shellCommand } from './script/shell-command.ts'
export { loginShellPrint } from './script/shell-print.ts'
export { type TransferCommandOptions, transferCommand } from './script/transfer-command.ts'
export { LineTimes, type LineTimesOptions, type LineTimesRecord, type TraceAuthor } from './trace/line-times.ts'
export { Trace, type TraceOptions } from './trace/trace.ts'
export { earlySetting, earlyText, hasTimestamps, isDebugTrace, type SettingSources } from './variables/early-setting.ts'
export { expand as expandVariables } from './variables/expand.ts'
export { withFeatureFlags } from './variables/feature-flags.ts'
export type { ClientCertificate } from './variables/job-variables.ts'
export { type EnvironmentVariable, longestMaskedVariables, longestVariables } from './variables/job-variables.ts'
export { secretsOf } from './variables/secrets-of.ts'
