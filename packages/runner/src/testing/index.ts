/**
 * A coordinator that speaks GitLab's job API and enforces its rules, in this process; and what it takes to find what a
 * runner left behind.
 *
 * @module
 */
export type { ViolationRule } from './api-request.ts'
export { Coordinator, type CoordinatorOptions } from './coordinator.ts'
export type { Assignment, CoordinatorJob, CoordinatorJobState, JobTimes } from './coordinator-job.ts'
export type { Endpoint, Fault } from './fault.ts'
export type { JobApiOptions, Violation } from './job-api.ts'
export type { ArtifactSpec, JobSpec, VariableSpec } from './job-spec.ts'
export { ArtifactBucket, type LeftArtifacts } from './left-artifacts.ts'
export { listProcesses, type Process } from './processes.ts'
export type { ReceivedUpload } from './receive-upload.ts'
export type { Reply } from './reply.ts'
export type { StoredTrace } from './stored-trace.ts'
