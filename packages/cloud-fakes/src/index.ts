/**
 * Servers that speak the wire protocols of EC2 Auto Scaling, Compute Engine and Azure scale sets, for tests of whatever talks to these clouds.
 *
 * @module
 */
export type { Lags } from './core/fake-machines.ts'
export type { Exchange, FakeAnswer, FakeRequest } from './core/fake-server.ts'
export type { RateLimit } from './core/rate-limits.ts'
export { RealMachines, type RealMachinesOptions } from './core/real-machines.ts'
/** Compute Engine with one managed instance group. */
export { FakeGce, type FakeGceOptions } from './gce/fake-gce.ts'
export { gceRateLimits } from './gce/rate-limits.ts'
