import type { Clock } from '@runner-core/fleeting'
import type { FakeMachines } from '../core/fake-machines.ts'
import type { Route } from '../core/fake-server.ts'
import { ApiRefusal } from './answers.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { GroupSettings } from './group-settings.ts'
import { filtered, page } from './list-query.ts'
import type { ManagedGroup, Member, MetadataItem } from './managed-group.ts'
import type { Operations } from './operations.ts'
import {
  failureOf,
  groupLink,
  groupResource,
  instanceLink,
  instanceResource,
  managedInstanceResource,
  type Place,
  projectResource,
  scopeLink,
  templateResource,
  zoneLink,
} from './resources.ts'

/** Everything that the methods work on. */
export interface GceCloud {
  readonly place: Place
  readonly zones: readonly string[]
  readonly clock: Clock
  readonly group: ManagedGroup
  readonly machines: FakeMachines
  readonly settings: GroupSettings
  /** Of the group. */
  readonly fingerprint: Fingerprint
  readonly operations: Operations
  /** From the acceptance of a launch to its being shown, milliseconds. */
  readonly appearMs: number
  /** The most rows on a page, less than what was asked for: Compute Engine says that this may be. */
  readonly pageSize: number
  /** Guest attributes `hostkeys/` of a machine, as in `authorized_keys`. */
  readonly hostKeys: (instance: string) => readonly string[]
}

export interface Call {
  /** What stands in the path, by the name in the discovery document. */
  readonly path: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}

/** One method of compute.v1. */
export interface Method extends Pick<Route, 'call'> {
  readonly operation: string
  /** `VERB path`, with the discovery document's path parameters. */
  readonly at: string
  readonly bucket: 'default' | 'read'
  /** Thrown: {@link ApiRefusal}. */
  readonly act: (call: Call) => unknown
}

/** The part of compute.v1 that a managed instance group and its machines need. */
export function gceMethods(cloud: GceCloud): readonly Method[] {
  return [...groupMethods(cloud), ...instanceMethods(cloud), ...otherMethods(cloud)]
}

function groupMethods({
  place,
  zones,
  clock,
  group,
  settings,
  fingerprint,
  operations,
  appearMs,
  pageSize,
}: GceCloud): readonly Method[] {
  const isZonal = place.zone !== undefined
  const name = isZonal ? 'instanceGroupManagers' : 'regionInstanceGroupManagers'
  const at = `projects/{project}/${isZonal ? 'zones/{zone}' : 'regions/{region}'}/instanceGroupManagers/{instanceGroupManager}`
  /** A change of the group, which takes effect at once and is done when `doneInMs` have passed. */
  const change = (query: URLSearchParams, operationType: string, doneInMs: number, act: () => void): object =>
    operations.once(query.get('requestId') ?? undefined, () => {
      act()
      const where = { targetLink: groupLink(place), scopeLink: scopeLink(place) }
      return { ...where, operationType: `compute.${name}.${operationType}`, doneAt: clock.now() + doneInMs }
    })
  const methods: readonly (Omit<Method, 'operation' | 'at'> & {
    readonly method: string
    readonly verb?: 'GET' | 'PATCH'
  })[] = [
    {
      method: 'get',
      verb: 'GET',
      bucket: 'read',
      act: () =>
        groupResource(place, settings, zones, { targetSize: group.targetSize, fingerprint: fingerprint.shown }),
    },
    {
      method: 'patch',
      verb: 'PATCH',
      bucket: 'default',
      act: ({ query, body }) =>
        change(query, 'patch', 0, () => {
          const { description, fingerprint: given, ...others } = body
          // The rest of the group's set-up is not to be patched here.
          if (typeof description !== 'string' || Object.keys(others).length > 0)
            throw new ApiRefusal(400, 'invalid', "Invalid value for field 'resource': this fake patches a description")
          if (given !== undefined && given !== fingerprint.now)
            throw new ApiRefusal(
              412,
              'conditionNotMet',
              'Supplied fingerprint does not match current metadata fingerprint.',
            )
          settings.description = description
          fingerprint.move()
        }),
    },
    {
      method: 'listManagedInstances',
      call: 'list',
      bucket: 'default',
      act({ query }) {
        const rows = group
          .listed()
          .map(({ member, phase }) => managedInstanceResource(place, member, phase, member.machine))
        const found = filtered(rows, query.get('filter'))
        if (settings.listResults === 'PAGELESS') return { managedInstances: found }
        const { items, ...rest } = page(found, query, pageSize)
        return { managedInstances: items, ...rest }
      },
    },
    {
      method: 'createInstances',
      call: 'increase',
      bucket: 'default',
      act: ({ query, body }) =>
        change(query, 'createInstances', appearMs, () => group.create(listOf(body, 'instances'))),
    },
    {
      method: 'deleteInstances',
      call: 'decrease',
      bucket: 'default',
      act: ({ query, body }) =>
        change(query, 'deleteInstances', 0, () =>
          group.delete(listOf(body, 'instances').map(String), body['skipInstancesOnValidationError'] === true),
        ),
    },
    {
      method: 'resize',
      bucket: 'default',
      act: ({ query }) =>
        change(query, 'resize', appearMs, () => group.resize(Number(query.get('size') ?? Number.NaN))),
    },
    {
      method: 'listErrors',
      verb: 'GET',
      bucket: 'read',
      act: ({ query }) =>
        page(
          group
            .members()
            .filter((member) => group.phase(member) === 'failed')
            .map((member) => ({
              error: failureOf(member.machine),
              timestamp: new Date(member.createdAt).toISOString(),
            })),
          query,
          pageSize,
        ),
    },
    {
      method: 'listPerInstanceConfigs',
      bucket: 'default',
      act: ({ query }) =>
        page(
          group.members().map(({ name, preservedMetadata }) => ({
            name,
            preservedState: { metadata: preservedMetadata },
            status: 'EFFECTIVE',
          })),
          query,
          pageSize,
        ),
    },
  ]
  return methods.map(({ method, verb = 'POST', act, ...rest }) => ({
    ...rest,
    operation: `${name}.${method}`,
    at: method === 'get' || method === 'patch' ? `${verb} ${at}` : `${verb} ${at}/${method}`,
    act(call) {
      expectName(call.path['instanceGroupManager'], place.group)
      expectName(call.path['zone'] ?? call.path['region'], place.zone ?? place.region)
      return act(call)
    },
  }))
}

function instanceMethods({
  place,
  clock,
  group,
  settings,
  operations,
  hostKeys,
  pageSize,
}: GceCloud): readonly Method[] {
  const at = 'projects/{project}/zones/{zone}/instances'
  const find = ({ zone, instance }: Call['path']): Member => {
    const member = group.virtualMachines().find(({ name, zone: where }) => name === instance && where === zone)
    if (member === undefined) throw notFound(`instances/${instance}`)
    return member
  }
  const shown = (member: Member): object => instanceResource(place, member, group.phase(member), member.machine)
  return [
    {
      operation: 'instances.get',
      at: `GET ${at}/{instance}`,
      call: 'connectInfo',
      bucket: 'read',
      act: ({ path }) => shown(find(path)),
    },
    {
      operation: 'instances.list',
      at: `GET ${at}`,
      call: 'connectInfo',
      bucket: 'read',
      act({ path, query }) {
        const inZone = group.virtualMachines().filter(({ zone }) => zone === path['zone'])
        const found = filtered(inZone.map(shown), query.get('filter'))
        return {
          kind: 'compute#instanceList',
          id: `projects/${place.project}/zones/${path['zone']}/instances`,
          ...page(found, query, pageSize),
        }
      },
    },
    {
      operation: 'instances.getGuestAttributes',
      at: `GET ${at}/{instance}/getGuestAttributes`,
      call: 'connectInfo',
      bucket: 'read',
      act({ path, query }) {
        const member = find(path)
        // How the service says that they are off is not known; that it refuses is.
        if (settings.metadata.get('enable-guest-attributes') !== 'TRUE') {
          throw new ApiRefusal(412, 'conditionNotMet', 'Guest attributes endpoint access is disabled.')
        }
        const queryPath = query.get('queryPath') ?? ''
        const keys = queryPath === 'hostkeys/' && group.phase(member) === 'running' ? hostKeys(member.name) : []
        if (keys.length === 0) throw notFound(`instances/${member.name}/guestAttributes/${queryPath}`)
        const items = keys.map((key) => {
          const [type = '', value = ''] = key.split(' ')
          return { namespace: 'hostkeys', key: type, value }
        })
        return { kind: 'compute#guestAttributes', queryPath, queryValue: { items } }
      },
    },
    {
      operation: 'instances.setMetadata',
      at: `POST ${at}/{instance}/setMetadata`,
      call: 'connectInfo',
      bucket: 'default',
      act({ path, query, body }) {
        const member = find(path)
        return operations.once(query.get('requestId') ?? undefined, () => {
          group.setMetadata(member, body['fingerprint'], listOf(body, 'items') as readonly MetadataItem[])
          const targetLink = instanceLink(place, member)
          return {
            targetLink,
            scopeLink: zoneLink(place, member.zone),
            operationType: 'setMetadata',
            doneAt: clock.now(),
          }
        })
      },
    },
  ]
}

function otherMethods({ place, settings, operations }: GceCloud): readonly Method[] {
  const operationsOf = (scope: 'zone' | 'region'): readonly Method[] => {
    const at = `projects/{project}/${scope}s/{${scope}}/operations/{operation}`
    const operation = `${scope}Operations`
    return [
      {
        operation: `${operation}.get`,
        at: `GET ${at}`,
        bucket: 'read',
        act: ({ path }) => operations.get(path['operation']!),
      },
      {
        operation: `${operation}.wait`,
        at: `POST ${at}/wait`,
        bucket: 'read',
        act: ({ path }) => operations.wait(path['operation']!),
      },
    ]
  }
  return [
    {
      operation: 'projects.get',
      at: 'GET projects/{project}',
      bucket: 'read',
      act: () => projectResource(place, settings.projectMetadata),
    },
    {
      operation: 'instanceTemplates.get',
      at: 'GET projects/{project}/global/instanceTemplates/{instanceTemplate}',
      bucket: 'read',
      act({ path }) {
        expectName(path['instanceTemplate'], place.group)
        return templateResource(place, settings.metadata)
      },
    },
    ...operationsOf('zone'),
    ...operationsOf('region'),
  ]
}

function listOf(body: Call['body'], key: string): readonly object[] {
  const list = body[key] ?? []
  if (!Array.isArray(list)) throw new ApiRefusal(400, 'invalid', `Invalid value for field '${key}': expected a list`)
  return list as readonly object[]
}

function expectName(name: string | undefined, expected: string): void {
  if (name !== expected) throw notFound(name ?? '')
}

function notFound(what: string): ApiRefusal {
  return new ApiRefusal(404, 'notFound', `The resource '${what}' was not found`)
}
