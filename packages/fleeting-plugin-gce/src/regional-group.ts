import { RegionInstanceGroupManagersClient } from '@google-cloud/compute/build/src/v1/region_instance_group_managers_client.js'
import { RegionOperationsClient } from '@google-cloud/compute/build/src/v1/region_operations_client.js'
import type { GceConfig } from './config.ts'
import { accepted, type GroupCalls, listed, standing } from './group-calls.ts'
import { sdkOptions } from './sdk-options.ts'
import type { Transport } from './transport.ts'

export function regionalGroup({ project, scope, name }: GceConfig, transport: Transport): GroupCalls {
  const groups = new RegionInstanceGroupManagersClient(sdkOptions(transport))
  const operations = new RegionOperationsClient(sdkOptions(transport))
  const place = { project, region: scope.name }
  const group = { ...place, instanceGroupManager: name }
  return {
    get: async (settings) => (await groups.get(group, settings))[0],
    patch: async (change, settings) =>
      accepted(await groups.patch({ ...group, instanceGroupManagerResource: change }, settings)),
    listManagedInstances: async (page, settings) =>
      listed(await groups.listManagedInstances({ ...group, ...page }, settings)),
    createInstances: async (instances, requestId, settings) =>
      accepted(
        await groups.createInstances(
          {
            ...group,
            requestId,
            regionInstanceGroupManagersCreateInstancesRequestResource: { instances: [...instances] },
          },
          settings,
        ),
      ),
    deleteInstances: async (instances, settings) =>
      accepted(
        await groups.deleteInstances(
          {
            ...group,
            regionInstanceGroupManagersDeleteInstancesRequestResource: {
              instances: [...instances],
              skipInstancesOnValidationError: true,
            },
          },
          settings,
        ),
      ),
    wait: async (operation, settings) => standing(await operations.wait({ ...place, operation }, settings)),
  }
}
