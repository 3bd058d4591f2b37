/**
 * What the world for proofs (`packages/simulation`) puts a runner together from, and what tests of plugins and scripts
 * need. Not public: it exists under the condition `@runner-core/source` only, which no installed package is resolved
 * with.
 *
 * @module
 */

export { checkPlugins } from './config/checks/check-plugins.ts'
export { keysReference } from './config/key-verdicts.ts'
export { parseConfig } from './config/parse-config.ts'
export { configReference } from './config/reference.ts'
export { fleetName, keptOutputBytes, type RunnerSettings } from './config/settings.ts'
export { engineTarget } from './fleet/engine-plugin.ts'
export { ownInstances } from './fleet/own-instances.ts'
export type { Route } from './gitlab/http/connections.ts'
export { limitsReference } from './gitlab/payload/limits-reference.ts'
export { Concurrency } from './jobs/concurrency.ts'
export { JobSupervisor } from './jobs/job-supervisor.ts'
export { LogSink, type LogTrouble } from './logging/log-sink.ts'
export { JobJournal } from './state/job-journal.ts'
export { KeptMap } from './state/kept-map.ts'
export type { FleetState } from './state/open-fleet-state.ts'
export { Seal } from './state/seal.ts'
export { RunnerSupervisor, type RunnerSupervisorOptions } from './supervisor/runner-supervisor.ts'
export { type ApiRequest, classify } from './testing/api-request.ts'
export { JobApi } from './testing/job-api.ts'
export type { Reply } from './testing/reply.ts'
