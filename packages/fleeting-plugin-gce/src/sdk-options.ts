import type { InstancesClient } from '@google-cloud/compute/build/src/v1/instances_client.js'
import type { Transport } from './transport.ts'

/** Of one client, which may change them. `fallback`: REST; gRPC is not what Compute Engine speaks. */
export function sdkOptions(transport: Transport): NonNullable<ConstructorParameters<typeof InstancesClient>[0]> {
  return { authClient: transport, fallback: 'rest' }
}
