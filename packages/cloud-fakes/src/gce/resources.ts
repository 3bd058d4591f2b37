import type { FakeMachine } from '../core/fake-machines.ts'
import type { GroupSettings } from './group-settings.ts'
import type { Member, MemberPhase } from './managed-group.ts'
import { currentActions } from './words.ts'

/** Where things are: URLs as the service writes them. */
export interface Place {
  readonly project: string
  readonly group: string
  /** Of a zonal group. */
  readonly zone?: string
  readonly region: string
}

const root = 'https://www.googleapis.com/compute/v1'

function projectLink({ project }: Place): string {
  return `${root}/projects/${project}`
}

/** The group's zone or region. */
export function scopeLink(place: Place): string {
  return place.zone === undefined ? `${projectLink(place)}/regions/${place.region}` : zoneLink(place, place.zone)
}

export function groupLink(place: Place): string {
  return `${scopeLink(place)}/instanceGroupManagers/${place.group}`
}

export function zoneLink(place: Place, zone: string): string {
  return `${projectLink(place)}/zones/${zone}`
}

export function instanceLink(place: Place, { zone, name }: Member): string {
  return `${zoneLink(place, zone)}/instances/${name}`
}

function templateLink(place: Place): string {
  return `${projectLink(place)}/global/instanceTemplates/${place.group}`
}

/** `InstanceGroupManager`. */
export function groupResource(
  place: Place,
  settings: GroupSettings,
  zones: readonly string[],
  { targetSize, fingerprint }: { readonly targetSize: number; readonly fingerprint: string },
): object {
  const { description, autoscaler, updateType, redistribution, onFailure, healthCheck, listResults } = settings
  const isRegional = place.zone === undefined
  return {
    kind: 'compute#instanceGroupManager',
    id: '3000000000000000',
    name: place.group,
    baseInstanceName: place.group,
    ...(description !== '' && { description }),
    fingerprint,
    selfLink: groupLink(place),
    [isRegional ? 'region' : 'zone']: scopeLink(place),
    ...(isRegional && {
      distributionPolicy: { zones: zones.map((zone) => ({ zone: zoneLink(place, zone) })), targetShape: 'ANY' },
    }),
    instanceTemplate: templateLink(place),
    versions: [{ instanceTemplate: templateLink(place), targetSize: { calculated: targetSize } }],
    targetSize,
    updatePolicy: {
      type: updateType,
      minimalAction: 'REPLACE',
      ...(isRegional && { instanceRedistributionType: redistribution }),
    },
    instanceLifecyclePolicy: { defaultActionOnFailure: onFailure, forceUpdateOnRepair: 'NO' },
    ...(healthCheck && {
      autoHealingPolicies: [{ healthCheck: `${projectLink(place)}/global/healthChecks/ssh`, initialDelaySec: 300 }],
    }),
    listManagedInstancesResults: listResults,
    status: { isStable: true, ...(autoscaler && { autoscaler: `${scopeLink(place)}/autoscalers/${place.group}` }) },
  }
}

/** `InstanceTemplate`. */
export function templateResource(place: Place, metadata: ReadonlyMap<string, string>): object {
  return {
    kind: 'compute#instanceTemplate',
    id: '2000000000000000',
    name: place.group,
    selfLink: templateLink(place),
    properties: { machineType: 'e2-standard-2', metadata: metadataResource(metadata) },
  }
}

/** `Project`. */
export function projectResource(place: Place, metadata: ReadonlyMap<string, string>): object {
  const selfLink = projectLink(place)
  return {
    kind: 'compute#project',
    id: '1000000000000000',
    name: place.project,
    selfLink,
    commonInstanceMetadata: metadataResource(metadata),
  }
}

function metadataResource(metadata: ReadonlyMap<string, string>): object {
  return { kind: 'compute#metadata', fingerprint: 'ZnAw', items: [...metadata].map(([key, value]) => ({ key, value })) }
}

/** `ManagedInstance`. */
export function managedInstanceResource(
  place: Place,
  member: Member,
  phase: MemberPhase,
  machine: FakeMachine | undefined,
): object {
  const exists = phase !== 'creating' && phase !== 'failed' && phase !== 'lost'
  const [action, status] = words(phase, machine?.word)
  return {
    name: member.name,
    instance: instanceLink(place, member),
    ...(exists && { id: member.id }),
    currentAction: action,
    ...(status !== undefined && { instanceStatus: status }),
    targetStatus: phase === 'deleting' ? 'DELETED' : 'RUNNING',
    version: { instanceTemplate: templateLink(place) },
    ...(Object.keys(member.preservedMetadata).length > 0 && {
      preservedStateFromConfig: { metadata: member.preservedMetadata },
    }),
    lastAttempt: phase === 'failed' ? { errors: { errors: [failureOf(machine)] } } : {},
  }
}

/** `currentAction` and `instanceStatus`. */
function words(phase: MemberPhase, word: string | undefined): [string, string | undefined] {
  if (word !== undefined) return currentActions.has(word) ? [word, 'RUNNING'] : ['NONE', word]
  if (phase === 'deleting') return ['DELETING', 'STOPPING']
  if (phase === 'lost') return ['NONE', undefined]
  return phase === 'running' ? ['NONE', 'RUNNING'] : ['CREATING', undefined]
}

/** Of a machine that failed: `CODE: message` as an operation's error. */
export function failureOf(machine: FakeMachine | undefined): { readonly code: string; readonly message: string } {
  const [, code = 'INTERNAL_ERROR', message = ''] = /^([A-Z_]+): (.*)$/.exec(machine?.failure ?? '') ?? []
  return { code, message: message || (machine?.failure ?? '') }
}

/** `Instance`. */
export function instanceResource(place: Place, member: Member, phase: MemberPhase, machine: FakeMachine): object {
  const status = { creating: 'PROVISIONING', deleting: 'STOPPING' }[phase as string] ?? 'RUNNING'
  const word = machine.word !== undefined && !currentActions.has(machine.word) ? machine.word : undefined
  return {
    kind: 'compute#instance',
    id: member.id,
    name: member.name,
    creationTimestamp: new Date(member.createdAt).toISOString(),
    zone: zoneLink(place, member.zone),
    selfLink: instanceLink(place, member),
    machineType: `${zoneLink(place, member.zone)}/machineTypes/e2-standard-2`,
    status: word ?? status,
    networkInterfaces: [
      {
        kind: 'compute#networkInterface',
        name: 'nic0',
        ...(phase !== 'creating' && { networkIP: machine.address }),
        accessConfigs: [
          {
            kind: 'compute#accessConfig',
            name: 'External NAT',
            type: 'ONE_TO_ONE_NAT',
            ...(phase !== 'creating' && { natIP: machine.address }),
          },
        ],
      },
    ],
    metadata: { kind: 'compute#metadata', fingerprint: member.fingerprint.shown, items: member.metadata },
  }
}
