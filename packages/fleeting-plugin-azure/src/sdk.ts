// Everything of Azure's that is loaded with the first call, and not before.
import { ComputeManagementClient } from '@azure/arm-compute'
import { createDefaultHttpClient, type PipelinePolicy } from '@azure/core-rest-pipeline'
import type { AzureConfig } from './config.ts'
import { lazyCredential } from './credential.ts'
import { PlainRequests } from './plain-requests.ts'
import { trustOf } from './trust.ts'

export interface Sdk {
  readonly compute: ComputeManagementClient
  readonly plain: PlainRequests
}

/** Clients that retry nothing by themselves, and send each request by `policy`. */
export function makeSdk(config: AzureConfig, policy: PipelinePolicy): Sdk {
  const { endpoint, subscriptionId, audience } = config
  const trust = trustOf(config)
  const httpClient = createDefaultHttpClient()
  const compute = new ComputeManagementClient(lazyCredential(config, trust), subscriptionId, {
    ...trust,
    endpoint,
    httpClient,
    credentials: { scopes: [`${audience}/.default`] },
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy, position: 'perCall' }, ...(trust.additionalPolicies ?? [])],
  })
  return { compute, plain: new PlainRequests(compute.pipeline, httpClient) }
}
