import type { FakeMachine, MachinePhase } from '../core/fake-machines.ts'
import type { ScaleSet } from './scale-set.ts'

/** Where resources are. */
export interface ArmScope {
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly location: string
}

type ArmResource = Readonly<Record<string, unknown>>

export function scaleSetId({ subscriptionId, resourceGroup }: ArmScope, { name }: ScaleSet): string {
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/${name}`
}

export function scaleSetResource(scope: ArmScope, set: ScaleSet): ArmResource {
  const { model, mode } = set
  return {
    name: set.name,
    id: scaleSetId(scope, set),
    type: 'Microsoft.Compute/virtualMachineScaleSets',
    location: scope.location,
    etag: set.etag,
    tags: set.tags,
    ...(set.zones.length > 0 && { zones: set.zones }),
    sku: { name: 'Standard_D2s_v5', tier: 'Standard', capacity: set.shownCapacity },
    properties: {
      orchestrationMode: mode,
      provisioningState: set.operations.provisioningState(),
      uniqueId: '0b6f3a3e-0000-4000-8000-000000000001',
      singlePlacementGroup: model.singlePlacementGroup,
      platformFaultDomainCount: 1,
      ...(set.zones.length > 1 && { zoneBalance: model.strictZoneBalance }),
      ...(model.zoneRebalancing && {
        resiliencyPolicy: {
          automaticZoneRebalancingPolicy: {
            enabled: true,
            rebalanceStrategy: 'Recreate',
            rebalanceBehavior: 'CreateBeforeDelete',
          },
        },
      }),
      ...(mode === 'Uniform' && { overprovision: model.overprovision, upgradePolicy: { mode: model.upgradeMode } }),
      automaticRepairsPolicy: { enabled: model.automaticRepairs, gracePeriod: 'PT10M' },
      ...(model.spotRestore && { spotRestorePolicy: { enabled: true, restoreTimeout: 'PT1H' } }),
      virtualMachineProfile: {
        osProfile: {
          computerNamePrefix: set.name,
          adminUsername: 'azureuser',
          linuxConfiguration: { disablePasswordAuthentication: true },
        },
        storageProfile: {
          imageReference: { publisher: 'Debian', offer: 'debian-13', sku: '13-gen2', version: 'latest' },
          osDisk: { osType: 'Linux', createOption: 'FromImage', caching: 'ReadWrite', diskSizeGB: 30 },
        },
        ...(model.evictionPolicy !== undefined && { priority: 'Spot', evictionPolicy: model.evictionPolicy }),
      },
    },
  }
}

/** Resource Manager spells the resource group in capitals in the ids of machines, and of nothing else. */
export function machineId({ subscriptionId, resourceGroup }: ArmScope, set: ScaleSet, id: string): string {
  const compute = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup.toUpperCase()}/providers/Microsoft.Compute`
  return set.mode === 'Uniform'
    ? `${compute}/virtualMachineScaleSets/${set.name}/virtualMachines/${id}`
    : `${compute}/virtualMachines/${id}`
}

/** Words of `provisioningState`; a machine that is pending is not shown at all. */
const provisioningStates: Readonly<Record<MachinePhase, string>> = {
  pending: 'Creating',
  creating: 'Creating',
  running: 'Succeeded',
  failed: 'Failed',
  deleting: 'Deleting',
  gone: 'Deleting',
}

export function machineResource(
  scope: ArmScope,
  set: ScaleSet,
  machine: FakeMachine,
  { withInstanceView, at }: { readonly withInstanceView: boolean; readonly at?: number },
): ArmResource {
  const phase = set.machines.phase(machine, at)
  const isUniform = set.mode === 'Uniform'
  const { id, word } = machine
  const zone = set.zoneOf(machine)
  return {
    name: isUniform ? `${set.name}_${id}` : id,
    id: machineId(scope, set, id),
    type: isUniform ? 'Microsoft.Compute/virtualMachineScaleSets/virtualMachines' : 'Microsoft.Compute/virtualMachines',
    location: scope.location,
    tags: set.tagsOf(machine),
    ...(zone !== undefined && { zones: [zone] }),
    ...(isUniform && { instanceId: id, sku: { name: 'Standard_D2s_v5', tier: 'Standard' } }),
    properties: {
      ...(isUniform ? { latestModelApplied: true } : { virtualMachineScaleSet: { id: scaleSetId(scope, set) } }),
      hardwareProfile: { vmSize: 'Standard_D2s_v5' },
      timeCreated: new Date(machine.acceptedAt).toISOString(),
      provisioningState: word ?? provisioningStates[phase],
      networkProfile: { networkInterfaces: [{ id: interfaceId(scope, set, id), properties: { primary: true } }] },
      ...(withInstanceView && { instanceView: { statuses: instanceStatuses(machine, phase) } }),
    },
  }
}

function instanceStatuses({ failure }: FakeMachine, phase: MachinePhase): readonly ArmResource[] {
  if (phase === 'failed') {
    const [, code = 'InternalExecutionError', message = failure] = /^(\w+): (.*)$/.exec(failure ?? '') ?? []
    return [{ code: `ProvisioningState/failed/${code}`, level: 'Error', displayStatus: 'Provisioning failed', message }]
  }
  if (phase !== 'running') return [{ code: `ProvisioningState/${phase}`, level: 'Info', displayStatus: phase }]
  return [
    { code: 'ProvisioningState/succeeded', level: 'Info', displayStatus: 'Provisioning succeeded' },
    { code: 'PowerState/running', level: 'Info', displayStatus: 'VM running' },
  ]
}

/** A Uniform set's interfaces are below its machines, a Flexible set's are resources of their own. */
function interfaceId({ subscriptionId, resourceGroup }: ArmScope, set: ScaleSet, id: string): string {
  const providers = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers`
  return set.mode === 'Uniform'
    ? `${providers}/Microsoft.Compute/virtualMachineScaleSets/${set.name}/virtualMachines/${id}/networkInterfaces/nic`
    : `${providers}/Microsoft.Network/networkInterfaces/${id}-nic`
}

function publicAddressId(scope: ArmScope, set: ScaleSet, id: string): string {
  return set.mode === 'Uniform'
    ? `${interfaceId(scope, set, id)}/ipConfigurations/ip/publicIPAddresses/public`
    : `/subscriptions/${scope.subscriptionId}/resourceGroups/${scope.resourceGroup}/providers/Microsoft.Network/publicIPAddresses/${id}-public`
}

export function interfaceResource(scope: ArmScope, set: ScaleSet, { id, address }: FakeMachine): ArmResource {
  return {
    name: set.mode === 'Uniform' ? 'nic' : `${id}-nic`,
    id: interfaceId(scope, set, id),
    properties: {
      provisioningState: 'Succeeded',
      primary: true,
      virtualMachine: { id: machineId(scope, set, id) },
      ipConfigurations: [
        {
          name: 'ip',
          id: `${interfaceId(scope, set, id)}/ipConfigurations/ip`,
          properties: {
            provisioningState: 'Succeeded',
            primary: true,
            privateIPAddress: address,
            privateIPAllocationMethod: 'Dynamic',
            privateIPAddressVersion: 'IPv4',
            publicIPAddress: { id: publicAddressId(scope, set, id) },
          },
        },
      ],
    },
  }
}

export function publicAddressResource(scope: ArmScope, set: ScaleSet, { id, address }: FakeMachine): ArmResource {
  return {
    name: set.mode === 'Uniform' ? 'public' : `${id}-public`,
    id: publicAddressId(scope, set, id),
    properties: {
      provisioningState: 'Succeeded',
      ipAddress: address,
      publicIPAddressVersion: 'IPv4',
      publicIPAllocationMethod: 'Dynamic',
      ipConfiguration: { id: `${interfaceId(scope, set, id)}/ipConfigurations/ip` },
    },
  }
}

export function autoscaleResource(scope: ArmScope, set: ScaleSet): ArmResource {
  const { subscriptionId, resourceGroup, location } = scope
  return {
    name: 'scale-with-load',
    id: `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/microsoft.insights/autoscalesettings/scale-with-load`,
    type: 'Microsoft.Insights/autoscaleSettings',
    location,
    properties: { enabled: true, targetResourceUri: scaleSetId(scope, set), profiles: [] },
  }
}
