/**
 * What the world for proofs (`packages/simulation`) puts a runner together from. Not public: it exists under the condition `@runner-core/source` only, which no installed package is resolved with.
 *
 * @module
 */
export { Concurrency } from './concurrency.ts'
export { fleetName } from './config/settings.ts'
export { startAgain } from './fleet/start-again.ts'
export { type JobAnswer, JobLoop } from './job-loop.ts'
