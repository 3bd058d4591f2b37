import type { FakeAnswer, FakeApi, FakeRequest, Route, SpokenFault } from '../core/fake-server.ts'
import { answer, faultAnswer, refusal } from './arm-answer.ts'
import {
  type ArmScope,
  autoscaleResource,
  interfaceResource,
  machineId,
  machineResource,
  publicAddressResource,
  scaleSetId,
  scaleSetResource,
} from './arm-resources.ts'
import { type Operation, operationStatus } from './operations.ts'
import { type Tags, tagsRefusal } from './resource-tags.ts'
import type { ScaleSet } from './scale-set.ts'
import { authorityRoute, type ClientSecret } from './token-endpoint.ts'

export interface ArmApiOptions {
  readonly scope: ArmScope
  readonly set: ScaleSet
  readonly client: ClientSecret
  /** Rows of one page of a list. */
  readonly pageSize: number
  /** `Retry-After` of an operation that is in progress, seconds. */
  readonly pollAfterSeconds: number
}

const computeVersion = '2026-04-01'

/** The part of Resource Manager that concerns one scale set, and the authority that issues tokens for it. */
export class ArmApi implements FakeApi {
  readonly #options: ArmApiOptions

  constructor(options: ArmApiOptions) {
    this.#options = options
  }

  route(request: FakeRequest): Route | FakeAnswer {
    const authority = authorityRoute(request, this.#options.client)
    if (authority !== undefined) return authority
    if (request.headers.authorization === undefined) {
      return refusal(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.")
    }
    const { pathname } = request.url
    const route = this.#resources(request).find(([pattern]) => pattern === pathname.toLowerCase())?.[1]
    const operationId = /\/operations\/([^/]+)$/.exec(pathname)?.[1]
    if (route === undefined && operationId !== undefined) return this.#operation(request, operationId)
    return route ?? refusal(404, 'ResourceNotFound', `The resource '${pathname}' was not found.`)
  }

  refuse(fault: SpokenFault, { call }: Route): FakeAnswer | undefined {
    if (fault.kind !== 'capacity' || call !== 'increase') return faultAnswer(fault)
    this.#options.set.failNextLaunch()
    return undefined
  }

  /** The header for several windows, in the form of Microsoft's page on throttling. */
  headroom(bucket: string, left: number): Readonly<Record<string, string>> {
    return {
      'x-ms-ratelimit-remaining-resource': `Microsoft.Compute/${bucket}3Min;${left},Microsoft.Compute/${bucket}30Min;${left * 10}`,
    }
  }

  /** The routes by lower-case path: Resource Manager ignores case in paths. */
  #resources(request: FakeRequest): readonly (readonly [string, Route])[] {
    const { scope, set } = this.#options
    const id = scaleSetId(scope, set)
    const providers = id.slice(0, id.indexOf('/Microsoft.Compute/'))
    const isUniform = set.mode === 'Uniform'
    const { method, url } = request
    const withInstanceView = url.searchParams.get('$expand') === 'instanceView'
    const machines = (): FakeAnswer =>
      this.#page(
        request,
        set.listed().map((machine) => machineResource(scope, set, machine, { withInstanceView, at: set.listedAt })),
      )
    const interfaces = (): FakeAnswer =>
      this.#page(
        request,
        set.shown().map((machine) => interfaceResource(scope, set, machine)),
      )
    const addresses = (): FakeAnswer =>
      this.#page(
        request,
        set.shown().map((machine) => publicAddressResource(scope, set, machine)),
      )

    const compute = (route: Route): Route => ({
      ...route,
      act: () => this.#versioned(request, computeVersion) ?? route.act(),
    })
    const whole: Route =
      method === 'PATCH'
        ? {
            operation: 'VirtualMachineScaleSets_Update',
            ...(capacityOf(request) !== undefined && {
              call: Number(capacityOf(request)) < set.capacity ? 'decrease' : 'increase',
            }),
            bucket: 'ScaleSetUpdate',
            act: () => this.#update(request),
          }
        : {
            operation: 'VirtualMachineScaleSets_Get',
            bucket: 'ScaleSetLowCostGet',
            act: () => answer(200, scaleSetResource(scope, set), { etag: set.etag }),
          }
    const routes: [string, Route][] = [
      [id, compute(whole)],
      [
        `${id}/delete`,
        compute({
          operation: 'VirtualMachineScaleSets_DeleteInstances',
          call: 'decrease',
          bucket: 'ScaleSetVMDelete',
          cost: instanceIdsOf(request)?.length ?? 1,
          act: () => this.#delete(request),
        }),
      ],
      [
        `${providers}/microsoft.insights/autoscalesettings`,
        {
          operation: 'AutoscaleSettings_ListByResourceGroup',
          bucket: 'ResourceManagerReads',
          act: () => answer(200, { value: set.model.hasAutoscaleSetting ? [autoscaleResource(scope, set)] : [] }),
        },
      ],
    ]
    const asked = /\/virtualMachines\/([^/]+)$/i.exec(url.pathname)?.[1]
    if (asked !== undefined) {
      const name = decodeURIComponent(asked)
      const machine = set.shown().find((candidate) => candidate.id === name)
      routes.push([
        machineId(scope, set, name),
        compute({
          operation: isUniform ? 'VirtualMachineScaleSetVMs_Get' : 'VirtualMachines_Get',
          bucket: 'ResourceManagerReads',
          act: () =>
            machine === undefined
              ? refusal(
                  404,
                  'ResourceNotFound',
                  `The Resource 'Microsoft.Compute/virtualMachines/${name}' was not found.`,
                )
              : answer(200, machineResource(scope, set, machine, { withInstanceView })),
        }),
      ])
    }
    if (isUniform) {
      routes.push(
        [
          `${id}/virtualMachines`,
          compute({
            operation: 'VirtualMachineScaleSetVMs_List',
            call: 'list',
            bucket: 'ScaleSetHighCostGet',
            act: machines,
          }),
        ],
        [
          `${id}/networkInterfaces`,
          {
            operation: 'NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces',
            call: 'connectInfo',
            bucket: 'ResourceManagerReads',
            act: () => this.#versioned(request, '2018-10-01') ?? interfaces(),
          },
        ],
        [
          `${id}/publicipaddresses`,
          {
            operation: 'PublicIPAddresses_ListVirtualMachineScaleSetPublicIPAddresses',
            call: 'connectInfo',
            bucket: 'ResourceManagerReads',
            act: () => this.#versioned(request, '2018-10-01') ?? addresses(),
          },
        ],
      )
    } else {
      const isFiltered =
        url.searchParams.get('$filter')?.toLowerCase() === `'virtualmachinescaleset/id' eq '${id}'`.toLowerCase()
      const unfiltered = refusal(400, 'BadRequest', 'The fake lists machines by their scale set only.')
      routes.push(
        [
          `${providers}/Microsoft.Compute/virtualMachines`,
          compute({
            operation: 'VirtualMachines_List',
            call: 'list',
            bucket: 'VMHighCostGet',
            act: () => (isFiltered ? machines() : unfiltered),
          }),
        ],
        [
          `${providers}/Microsoft.Network/networkInterfaces`,
          { operation: 'NetworkInterfaces_List', call: 'connectInfo', bucket: 'ResourceManagerReads', act: interfaces },
        ],
        [
          `${providers}/Microsoft.Network/publicIPAddresses`,
          { operation: 'PublicIPAddresses_List', call: 'connectInfo', bucket: 'ResourceManagerReads', act: addresses },
        ],
      )
    }
    return routes.map(([path, route]) => [path.toLowerCase(), route])
  }

  #versioned({ url }: FakeRequest, version: string): FakeAnswer | undefined {
    const asked = url.searchParams.get('api-version')
    if (asked === version) return undefined
    return refusal(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${asked}' is invalid. The supported version is '${version}'.`,
    )
  }

  #update(request: FakeRequest): FakeAnswer {
    const { scope, set } = this.#options
    const ifMatch = request.headers['if-match']
    if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== set.etag) {
      return refusal(412, 'PreconditionFailed', 'The condition specified using HTTP conditional header(s) is not met.')
    }
    // A PATCH keeps what is not in its body.
    const capacity = capacityOf(request) ?? set.capacity
    if (typeof capacity !== 'number' || !Number.isInteger(capacity) || capacity < 0) {
      return refusal(400, 'InvalidParameter', "The value of parameter 'sku.capacity' is invalid.")
    }
    const maximum = set.model.singlePlacementGroup ? 100 : 1000
    if (capacity > maximum) {
      return refusal(
        400,
        'InvalidParameter',
        `The requested capacity ${capacity} is above the maximum of ${maximum} of the scale set.`,
      )
    }
    const { tags } = parsed(request.body) as { tags?: unknown }
    const refused = tags === undefined ? undefined : tagsRefusal(tags)
    if (refused !== undefined) return refusal(400, 'InvalidParameter', refused)
    const operation = set.resize(capacity, tags as Tags | undefined)
    return answer(200, scaleSetResource(scope, set), { etag: set.etag, ...this.#operationHeaders(request, operation) })
  }

  #delete(request: FakeRequest): FakeAnswer {
    const { set } = this.#options
    const ids = instanceIdsOf(request)
    if (ids === undefined || ids.length === 0)
      return refusal(400, 'InvalidParameter', "Required parameter 'instanceIds' is missing (null).")
    const unknown = ids.find((id) => set.machines.get(id) === undefined)
    if (unknown !== undefined) {
      return refusal(
        400,
        'InvalidParameter',
        `The provided instanceId ${unknown} is not an active Virtual Machine Scale Set VM instanceId.`,
      )
    }
    return answer(202, undefined, this.#operationHeaders(request, set.delete(ids)))
  }

  #operation({ url }: FakeRequest, id: string): Route | FakeAnswer {
    const { set, scope } = this.#options
    const operation = set.operations.get(id)
    if (operation === undefined) return refusal(404, 'ResourceNotFound', `The entity ${id} was not found.`)
    const isLocation = url.searchParams.get('monitor') === 'true'
    const act = (): FakeAnswer => {
      const headers = operation.isDone() ? {} : { 'retry-after': String(this.#options.pollAfterSeconds) }
      if (!isLocation) return answer(200, operationStatus(operation), headers)
      if (!operation.isDone()) return answer(202, undefined, { ...headers, location: url.href })
      return operation.error === undefined
        ? answer(200, scaleSetResource(scope, set))
        : refusal(409, operation.error.code, operation.error.message)
    }
    return { operation: 'Operations_Get', bucket: 'GetOperation', act }
  }

  #operationHeaders({ url }: FakeRequest, { id }: Operation): Readonly<Record<string, string>> {
    const { subscriptionId, location } = this.#options.scope
    const path = `${url.origin}/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/${location}/operations/${id}`
    return {
      'azure-asyncoperation': `${path}?api-version=${computeVersion}`,
      location: `${path}?monitor=true&api-version=${computeVersion}`,
      'retry-after': String(this.#options.pollAfterSeconds),
    }
  }

  /** One page of a list, with the address of the next one when there is more. */
  #page({ url }: FakeRequest, all: readonly unknown[]): FakeAnswer {
    const { pageSize } = this.#options
    const start = Number(url.searchParams.get('$skiptoken') ?? 0)
    const value = all.slice(start, start + pageSize)
    if (start + pageSize >= all.length) return answer(200, { value })
    const next = new URL(url)
    next.searchParams.set('$skiptoken', String(start + pageSize))
    return answer(200, { value, nextLink: next.href })
  }
}

function capacityOf({ body }: FakeRequest): unknown {
  return (parsed(body) as { sku?: { capacity?: unknown } }).sku?.capacity
}

function instanceIdsOf({ body }: FakeRequest): readonly string[] | undefined {
  const { instanceIds } = parsed(body) as { instanceIds?: unknown }
  return Array.isArray(instanceIds) && instanceIds.every((id) => typeof id === 'string') ? instanceIds : undefined
}

function parsed(body: string): object {
  try {
    return Object(JSON.parse(body))
  } catch {
    return {}
  }
}
