// Everything of Google's that is loaded with the first call, and not before. Clients one by one: the whole package is
// a hundred of them, and takes two seconds.
import { InstanceTemplatesClient } from '@google-cloud/compute/build/src/v1/instance_templates_client.js'
import { InstancesClient } from '@google-cloud/compute/build/src/v1/instances_client.js'
import { ProjectsClient } from '@google-cloud/compute/build/src/v1/projects_client.js'
import type { RegionInstanceTemplatesClient } from '@google-cloud/compute/build/src/v1/region_instance_templates_client.js'
import type { GceConfig } from './config.ts'
import type { GroupCalls } from './group-calls.ts'
import { sdkOptions } from './sdk-options.ts'
import { Transport } from './transport.ts'

export interface Sdk {
  readonly group: GroupCalls
  readonly instances: InstancesClient
  readonly projects: ProjectsClient
  readonly templates: InstanceTemplatesClient
  /** Loaded for a group whose template is one of a region. */
  readonly regionTemplates: () => Promise<RegionInstanceTemplatesClient>
}

export async function makeSdk(config: GceConfig): Promise<Sdk> {
  const transport = new Transport(config)
  const group =
    config.scope.kind === 'zones'
      ? (await import('./zonal-group.ts')).zonalGroup(config, transport)
      : (await import('./regional-group.ts')).regionalGroup(config, transport)
  return {
    group,
    instances: new InstancesClient(sdkOptions(transport)),
    projects: new ProjectsClient(sdkOptions(transport)),
    templates: new InstanceTemplatesClient(sdkOptions(transport)),
    regionTemplates: async () => {
      const client = await import('@google-cloud/compute/build/src/v1/region_instance_templates_client.js')
      return new client.RegionInstanceTemplatesClient(sdkOptions(transport))
    },
  }
}
