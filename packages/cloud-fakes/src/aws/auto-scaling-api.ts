import type { Clock } from '@runner-core/fleeting'
import type { FakeAnswer } from '../core/fake-server.ts'
import type { Activity, FakeGroup, Member } from './auto-scaling-group.ts'
import type { GroupTag } from './group-tags.ts'
import { type LaunchFailure, launchFailures } from './launch-failures.ts'
import { newRequestId, pageOf, type QueryForm, type Xml, xmlAnswer } from './query-protocol.ts'
import { Refusal } from './refusal.ts'

const namespace = 'http://autoscaling.amazonaws.com/doc/2011-01-01/'
const account = '123456789012'
const createdAt = '2026-01-01T00:00:00.000Z'

/** How the launches of a request fail. */
export interface FailingLaunch {
  readonly failure: LaunchFailure
  /** Until the fake is healed. */
  readonly lasting: boolean
}

/** What an operation of Auto Scaling does; its result as XML, undefined: it has none. Thrown: a refusal. */
type Operation = (
  form: QueryForm,
  group: FakeGroup,
  clock: Clock,
  failing: FailingLaunch | undefined,
) => { readonly [name: string]: Xml } | undefined

/** Answers in Auto Scaling's envelope. */
export function autoScalingAnswer(
  operation: keyof typeof autoScalingOperations,
  form: QueryForm,
  group: FakeGroup,
  clock: Clock,
  failing: FailingLaunch | undefined,
): FakeAnswer {
  const result = autoScalingOperations[operation]!(form, group, clock, failing)
  const ResponseMetadata = { RequestId: newRequestId() }
  return xmlAnswer(`${operation}Response`, namespace, {
    ...(result !== undefined && { [`${operation}Result`]: result }),
    ResponseMetadata,
  })
}

export function autoScalingRefusal({ code, message, status }: Refusal): FakeAnswer {
  const Type = status < 500 ? 'Sender' : 'Receiver'
  return xmlAnswer(
    'ErrorResponse',
    namespace,
    { Error: { Type, Code: code, Message: message }, RequestId: newRequestId() },
    status,
  )
}

export const autoScalingOperations: Readonly<Record<string, Operation>> = {
  DescribeAutoScalingGroups(form, group) {
    const names = form.list('AutoScalingGroupNames.member')
    const isNamed = names.length === 0 || names.includes(group.settings.name)
    return { AutoScalingGroups: { member: isNamed ? [groupXml(group)] : [] } }
  },

  SetDesiredCapacity(form, group, _clock, failing) {
    checkName(form, group)
    form.boolean('HonorCooldown')
    form.needed('DesiredCapacity')
    group.setDesired(form.integer('DesiredCapacity')!, failing?.failure, failing?.lasting)
    return undefined
  },

  CreateOrUpdateTags(form, group) {
    const tags = new Map<string, GroupTag>()
    for (let number = 1; form.text(`Tags.member.${number}.Key`) !== undefined; number += 1) {
      const field = (name: string): string => `Tags.member.${number}.${name}`
      const name = form.needed(field('ResourceId'))
      if (form.needed(field('ResourceType')) !== 'auto-scaling-group' || name !== group.settings.name)
        throw new Refusal('ValidationError', `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`)
      const value = form.text(field('Value')) ?? ''
      tags.set(form.needed(field('Key')), { value, propagates: form.boolean(field('PropagateAtLaunch')) ?? false })
    }
    if (tags.size === 0) throw new Refusal('ValidationError', '1 validation error detected: Tags must not be null')
    if (!group.settings.mayBeTagged) {
      const who = `User: arn:aws:iam::${account}:user/runner`
      throw new Refusal(
        'AccessDenied',
        `${who} is not authorized to perform: autoscaling:CreateOrUpdateTags on resource: ${arnOf(group)}`,
        403,
      )
    }
    group.tags.write(tags)
    return undefined
  },

  LaunchInstances(form, group, _clock, failing) {
    checkName(form, group)
    form.needed('RequestedCapacity')
    const [zone] = form.list('AvailabilityZones.member')
    const token = form.needed('ClientToken')
    const count = form.integer('RequestedCapacity')!
    const isFull = group.settings.fullZones.includes(zone ?? group.settings.zones[0]!)
    const failure = failing?.failure ?? (isFull ? launchFailures.capacity : undefined)
    const members = group.launchNow(count, zone, token, failure)
    const where = {
      InstanceType: instanceType,
      MarketType: 'on-demand',
      AvailabilityZone: zone ?? group.settings.zones[0],
    }
    const { code, message } = failure ?? {}
    return {
      AutoScalingGroupName: group.settings.name,
      ClientToken: token,
      Instances: {
        member: members.length === 0 ? [] : [{ ...where, InstanceIds: { member: members.map(({ id }) => id) } }],
      },
      Errors: { member: code === undefined ? [] : [{ ...where, ErrorCode: code, ErrorMessage: message }] },
    }
  },

  TerminateInstanceInAutoScalingGroup(form, group, clock) {
    const single = form.text('InstanceId')
    const ids = form.list('InstanceIds.member')
    form.needed('ShouldDecrementDesiredCapacity')
    if ((single === undefined) === (ids.length === 0))
      throw new Refusal('ValidationError', 'Exactly one of InstanceId and InstanceIds must be specified.')
    if (ids.length > 100) throw new Refusal('ValidationError', 'InstanceIds must have at most 100 members.')
    if (single === undefined || form.text('AutoScalingGroupName') !== undefined) checkName(form, group)
    const activities = group.terminate(
      single === undefined ? ids : [single],
      form.boolean('ShouldDecrementDesiredCapacity')!,
    )
    const shown = activities.map((activity) => activityXml(activity, group, clock))
    return single === undefined ? { Activities: { member: shown } } : { Activity: shown[0]! }
  },

  DescribeScalingActivities(form, group, clock) {
    if (form.text('AutoScalingGroupName') !== undefined) checkName(form, group)
    const wrongToken = (): Refusal => new Refusal('InvalidNextToken', 'The NextToken value is not valid.')
    const size = Math.min(form.integer('MaxRecords') ?? 100, group.activitiesPageSize)
    const { page, next } = pageOf(group.activities(), size, form.text('NextToken'), wrongToken)
    return { Activities: { member: page.map((activity) => activityXml(activity, group, clock)) }, NextToken: next }
  },

  DescribeInstanceRefreshes(form, group) {
    checkName(form, group)
    const { name, hasInstanceRefresh } = group.settings
    const refresh = {
      InstanceRefreshId: '08b91cf7-8fa6-48af-b6a6-d227f40f1b9b',
      AutoScalingGroupName: name,
      Status: 'InProgress',
    }
    return { InstanceRefreshes: { member: hasInstanceRefresh ? [refresh] : [] } }
  },
}

/** What all instances of the fake are. */
export const instanceType = 'm7i.large'
export const launchTemplate = { LaunchTemplateId: 'lt-0123456789abcdef0', LaunchTemplateName: 'runner-machine' }

function checkName(form: QueryForm, group: FakeGroup): void {
  const name = form.needed('AutoScalingGroupName')
  if (name !== group.settings.name)
    throw new Refusal('ValidationError', `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`)
}

function arnOf({ settings: { name, region } }: FakeGroup): string {
  return `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:930d940e-891e-4781-a11a-7b0acd480f03:autoScalingGroupName/${name}`
}

function tagXml(name: string, [key, { value, propagates }]: readonly [string, GroupTag]): Xml {
  return { ResourceId: name, ResourceType: 'auto-scaling-group', Key: key, Value: value, PropagateAtLaunch: propagates }
}

function groupXml(group: FakeGroup): Xml {
  const { name, zones, minSize, maxSize, weight, ...settings } = group.settings
  const specification = { ...launchTemplate, Version: '$Latest' }
  const overrides = weight !== undefined && {
    Overrides: { member: [{ InstanceType: instanceType, WeightedCapacity: String(weight) }] },
  }
  return {
    AutoScalingGroupName: name,
    AutoScalingGroupARN: arnOf(group),
    ...(overrides
      ? { MixedInstancesPolicy: { LaunchTemplate: { LaunchTemplateSpecification: specification, ...overrides } } }
      : { LaunchTemplate: specification }),
    MinSize: minSize,
    MaxSize: maxSize,
    DesiredCapacity: group.shownDesired,
    DefaultCooldown: 300,
    AvailabilityZones: { member: zones },
    LoadBalancerNames: { member: [] },
    TargetGroupARNs: { member: [] },
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: 0,
    Instances: { member: group.instances().map((member) => instanceXml(member, group)) },
    CreatedTime: createdAt,
    SuspendedProcesses: {
      member: settings.suspendedProcesses.map((ProcessName) => ({
        ProcessName,
        SuspensionReason: `User suspended at ${createdAt}`,
      })),
    },
    VPCZoneIdentifier: zones.map((_, index) => `subnet-0123456789abcde${String(index).padStart(2, '0')}`).join(','),
    EnabledMetrics: { member: [] },
    ...(settings.isBeingDeleted && { Status: 'Delete in progress' }),
    Tags: { member: [...group.tags.all()].map((tag) => tagXml(name, tag)) },
    TerminationPolicies: { member: ['Default'] },
    NewInstancesProtectedFromScaleIn: settings.protectsNewInstances,
    ServiceLinkedRoleARN: `arn:aws:iam::${account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
    ...(settings.maxInstanceLifetime > 0 && { MaxInstanceLifetime: settings.maxInstanceLifetime }),
    CapacityRebalance: settings.capacityRebalance,
    ...(settings.hasWarmPool && { WarmPoolConfiguration: { MinSize: 0, PoolState: 'Stopped' }, WarmPoolSize: 0 }),
    TrafficSources: { member: [] },
  }
}

function instanceXml(member: Member, group: FakeGroup): Xml {
  const { weight } = group.settings
  return {
    InstanceId: member.id,
    InstanceType: instanceType,
    AvailabilityZone: member.zone,
    LifecycleState: group.lifecycleState(member),
    HealthStatus: group.isHealthy(member) ? 'Healthy' : 'Unhealthy',
    LaunchTemplate: { ...launchTemplate, Version: '1' },
    ProtectedFromScaleIn: group.isProtected(member),
    ...(weight !== undefined && { WeightedCapacity: String(weight) }),
  }
}

function activityXml(activity: Activity, group: FakeGroup, clock: Clock): Xml {
  const endedAt = activity.endedAt()
  const isOver = endedAt <= clock.now()
  const outcome = activity.failure === undefined ? 'Successful' : 'Failed'
  return {
    ActivityId: activity.id,
    AutoScalingGroupName: group.settings.name,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: new Date(activity.startedAt).toISOString(),
    ...(isOver && { EndTime: new Date(endedAt).toISOString() }),
    StatusCode: isOver ? outcome : 'InProgress',
    StatusMessage: activity.failure,
    Progress: isOver ? 100 : 0,
    Details: JSON.stringify({ 'Availability Zone': activity.zone }),
  }
}
