/**
 * Servers that speak the wire protocols of EC2 Auto Scaling, Compute Engine and Azure scale sets, for tests of whatever
 * talks to these clouds.
 *
 * @module
 */
/** AWS: Auto Scaling, EC2 and EC2 Instance Connect behind one endpoint. */
export type { MachineFacts } from './aws/ec2-api.ts'
export { FakeAws, type FakeAwsOptions } from './aws/fake-aws.ts'
export type { GroupSettings as AwsGroupSettings } from './aws/group-settings.ts'
export type { PushedKey } from './aws/instance-connect-api.ts'
export { awsRateLimits } from './aws/rate-limits.ts'
export { FakeAzure, type FakeAzureOptions } from './azure/fake-azure.ts'
export { azureRateLimits } from './azure/rate-limits.ts'
export type { Lags } from './core/fake-machines.ts'
export type { Exchange, FakeAnswer, FakeRequest } from './core/fake-server.ts'
export { LocalMachines } from './core/local-machines.ts'
export type { RateLimit } from './core/rate-limits.ts'
export { RealMachines, type RealMachinesOptions } from './core/real-machines.ts'
/** Compute Engine with one managed instance group. */
export { FakeGce, type FakeGceOptions } from './gce/fake-gce.ts'
export { gceRateLimits } from './gce/rate-limits.ts'
