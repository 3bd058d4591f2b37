import type { Clock } from '@runner-core/fleeting'
import type { FaultyCall } from '@runner-core/fleeting/testing'
import type { FakeAnswer, FakeApi, FakeRequest, Route, SpokenFault } from '../core/fake-server.ts'
import { autoScalingAnswer, autoScalingOperations, autoScalingRefusal, type FailingLaunch } from './auto-scaling-api.ts'
import type { FakeGroup } from './auto-scaling-group.ts'
import { type Ec2Context, ec2Answer, ec2Operations, ec2Refusal } from './ec2-api.ts'
import { instanceConnectRefusal, type PushedKey, sendSshPublicKey } from './instance-connect-api.ts'
import { launchFailures } from './launch-failures.ts'
import { QueryForm } from './query-protocol.ts'
import { Refusal } from './refusal.ts'

export interface AwsApiOptions extends Ec2Context {
  readonly group: FakeGroup
  readonly clock: Clock
  readonly pushed: (key: PushedKey) => void
}

type Service = 'autoscaling' | 'ec2' | 'ec2-instance-connect'

const refusals: Readonly<Record<Service, (refusal: Refusal) => FakeAnswer>> = {
  autoscaling: autoScalingRefusal,
  ec2: ec2Refusal,
  'ec2-instance-connect': instanceConnectRefusal,
}

interface AwsRoute extends Route {
  readonly service: Service
}

/**
 * Three services behind one endpoint: told apart by the version of the query protocol, or the JSON protocol's target.
 */
export class AwsApi implements FakeApi {
  readonly #options: AwsApiOptions
  /** How the launches of the request that is about to be done fail. */
  #failing: FailingLaunch | undefined

  constructor(options: AwsApiOptions) {
    this.#options = options
  }

  route(request: FakeRequest): AwsRoute | FakeAnswer {
    const form = new QueryForm(request.body)
    const version = form.text('Version')
    const service =
      request.headers['x-amz-target'] !== undefined
        ? 'ec2-instance-connect'
        : version === '2016-11-15'
          ? 'ec2'
          : 'autoscaling'
    const refuse = refusals[service]
    if (!String(request.headers.authorization).startsWith('AWS4-HMAC-SHA256 ')) {
      return refuse(new Refusal('MissingAuthenticationToken', 'Request is missing Authentication Token', 403))
    }
    if (service === 'ec2-instance-connect')
      return this.#instanceConnectRoute(request, String(request.headers['x-amz-target']))
    const operation = form.text('Action') ?? ''
    if (service === 'ec2' && Object.hasOwn(ec2Operations, operation)) return this.#ec2Route(operation, form)
    if (service === 'autoscaling' && version === '2011-01-01' && Object.hasOwn(autoScalingOperations, operation))
      return this.#autoScalingRoute(operation, form)
    return refuse(
      new Refusal('InvalidAction', `The action ${operation} is not valid for version ${version} of this web service.`),
    )
  }

  refuse(fault: SpokenFault, route: AwsRoute): FakeAnswer | undefined {
    const { kind, times, retryAfterMs } = fault
    if (route.call === 'increase' && (kind === 'capacity' || kind === 'quota' || kind === 'invalid_config')) {
      this.#failing = { failure: launchFailures[kind], lasting: times === undefined }
      return undefined
    }
    const { headers, ...answer } = refusals[route.service](spoken(kind, route))
    return {
      ...answer,
      headers: { ...headers, ...(retryAfterMs !== undefined && { 'x-amz-retry-after': String(retryAfterMs) }) },
    }
  }

  #autoScalingRoute(operation: string, form: QueryForm): AwsRoute {
    const { group, clock } = this.#options
    const call = this.#callOf(operation, form)
    const isWrite = call === 'increase' || call === 'decrease' || operation === 'CreateOrUpdateTags'
    const bucket = isWrite ? 'autoscaling:write' : 'autoscaling:read'
    return this.#route('autoscaling', { operation, bucket, ...(call !== undefined && { call }) }, () => {
      const failing = this.#failing
      this.#failing = undefined
      return autoScalingAnswer(operation, form, group, clock, failing)
    })
  }

  #ec2Route(operation: string, form: QueryForm): AwsRoute {
    const bucket = operation.startsWith('Describe') ? 'ec2:describe' : 'ec2:console'
    const isAboutOne = operation === 'DescribeInstances' || bucket === 'ec2:console'
    return this.#route('ec2', { operation, bucket, ...(isAboutOne && { call: 'connectInfo' }) }, () =>
      ec2Answer(operation, form, this.#options),
    )
  }

  #instanceConnectRoute({ body }: FakeRequest, target: string): AwsRoute | FakeAnswer {
    const operation = target.replace('AWSEC2InstanceConnectService.', '')
    if (operation !== 'SendSSHPublicKey')
      return instanceConnectRefusal(new Refusal('UnknownOperationException', target))
    const { group, pushed } = this.#options
    return this.#route(
      'ec2-instance-connect',
      { operation, bucket: 'ec2-instance-connect:push', call: 'connectInfo' },
      () => sendSshPublicKey(body, group, pushed),
    )
  }

  #route(service: Service, route: Pick<Route, 'operation' | 'bucket' | 'call'>, act: () => FakeAnswer): AwsRoute {
    const answer = (): FakeAnswer => {
      try {
        return act()
      } catch (thrown) {
        if (thrown instanceof Refusal) return refusals[service](thrown)
        throw thrown
      }
    }
    return { ...route, service, act: answer }
  }

  #callOf(operation: string, form: QueryForm): FaultyCall | undefined {
    if (operation === 'LaunchInstances') return 'increase'
    if (operation === 'TerminateInstanceInAutoScalingGroup') return 'decrease'
    if (operation === 'SetDesiredCapacity')
      return Number(form.text('DesiredCapacity')) < this.#options.group.desired ? 'decrease' : 'increase'
    return operation === 'DescribeInstanceRefreshes' || operation === 'CreateOrUpdateTags' ? undefined : 'list'
  }
}

/**
 * A fault as the service says it. Codes and statuses of Auto Scaling and Instance Connect are of their service models,
 * where those have them; the common ones and EC2's are from its guide.
 */
function spoken(kind: SpokenFault['kind'], { service, operation, call }: AwsRoute): Refusal {
  const said: Readonly<
    Record<SpokenFault['kind'], Readonly<Record<Service, readonly [code: string, message: string, status?: number]>>>
  > = {
    throttled: {
      autoscaling: ['Throttling', 'Rate exceeded'],
      ec2: ['RequestLimitExceeded', 'Request limit exceeded.', 503],
      'ec2-instance-connect': ['ThrottlingException', 'Rate exceeded', 429],
    },
    auth: {
      autoscaling: [
        'AccessDenied',
        'User: arn:aws:iam::123456789012:user/runner is not authorized to perform this action',
        403,
      ],
      ec2: ['UnauthorizedOperation', 'You are not authorized to perform this operation.', 403],
      'ec2-instance-connect': [
        'AuthException',
        'Either your AWS credentials are not valid or you do not have access to the EC2 instance.',
        403,
      ],
    },
    conflict: {
      autoscaling:
        call === 'list' || operation === 'LaunchInstances'
          ? ['ResourceContention', 'You already have a pending update to an Amazon EC2 Auto Scaling resource.', 500]
          : ['ScalingActivityInProgress', 'Scaling activity is in progress and blocks this call'],
      ec2: ['IncorrectInstanceState', 'The instance is not in a state from which this can be done.'],
      'ec2-instance-connect': [
        'EC2InstanceUnavailableException',
        'The instance is currently unavailable. Wait a few minutes and try again.',
        503,
      ],
    },
    server_error: {
      autoscaling: ['InternalFailure', 'The request processing has failed because of an unknown error.', 500],
      ec2: ['InternalError', 'An internal error has occurred.', 500],
      'ec2-instance-connect': [
        'ServiceException',
        'The service encountered an error. Follow the instructions in the error message and try again.',
        500,
      ],
    },
    quota: {
      autoscaling: ['LimitExceeded', 'You have already reached a limit for your Amazon EC2 Auto Scaling resources.'],
      ec2: ['ResourceLimitExceeded', 'You have reached a limit.'],
      'ec2-instance-connect': ['ServiceException', 'A limit was reached.', 500],
    },
    capacity: {
      autoscaling: ['InternalFailure', 'There is not enough capacity.', 500],
      ec2: ['InsufficientInstanceCapacity', launchFailures.capacity.message, 500],
      'ec2-instance-connect': ['ServiceException', 'There is not enough capacity.', 500],
    },
    invalid_config: {
      autoscaling: ['ValidationError', '1 validation error detected'],
      ec2: ['InvalidParameterValue', 'The value is not valid.'],
      'ec2-instance-connect': ['InvalidArgsException', 'One of the parameters is not valid.'],
    },
  }
  return new Refusal(...said[kind][service])
}
