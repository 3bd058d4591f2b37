import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Exchange, FakeAws } from '@runner-core/cloud-fakes'
import { systemClock as clock, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { runConformance } from '@runner-core/fleeting/testing'
import { awsValidator } from '@runner-core/testkit/clouds/aws-validator'
import { beforeAll, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'
import { startFakeFleet } from './fake-fleet.ts'

const python = process.env['CLOUDS_PYTHON']
const missing = python === undefined ? ' (SKIPPED: CLOUDS_PYTHON is not set, a Python with botocore 1.44.8)' : ''
if (missing !== '') console.warn(`plugin aws and its fake against botocore's models${missing}`)

interface Verdict {
  readonly exchanges: number
  readonly operations: Readonly<Record<string, number>>
  readonly problems: readonly string[]
}

/** The kit sets a state that no cloud has; what else stands in such an answer is validated all the same. */
const withKnownStates = ({ answer, ...exchange }: Exchange): Exchange => ({
  ...exchange,
  answer: { ...answer, body: answer.body.replaceAll('CONFORMANCE_LEVITATING', 'Standby') },
})

function ask(input: string, ...args: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(python!, [awsValidator, ...args], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

function validate(exchanges: readonly Exchange[]): Verdict {
  return ask(exchanges.map((exchange) => `${JSON.stringify(exchange)}\n`).join('')) as Verdict
}

const setup = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../setup/${file}`, import.meta.url)), 'utf8')
const policyActions = (): readonly string[] =>
  (JSON.parse(setup('policy.json')) as { Statement: { Action: string[] }[] }).Statement.flatMap(({ Action }) => Action)

/** Spot instances with pages, Windows, and a key in the user data: what no conformance run asks for. */
async function runRest(onExchange: (exchange: Exchange) => void): Promise<void> {
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding,
    privateKeyEncoding,
  })
  const facts = { spot: true, windows: { password: 'S3cret&', publicKey } }
  await using fake = await FakeAws.start({ clock, facts, pageSize: 2, onExchange })
  const { signal } = new AbortController()
  for (const credentials of ['user-data', 'windows-password']) {
    const context = { fleet: 'test', connector: { privateKey }, logger: silentLogger, clock, random }
    const group = createInstanceGroup(
      { name: 'runners', region: 'eu-west-1', endpoint: fake.url, credentials },
      context,
    )
    await group.init(signal)
    fake.settings.userData = '#cloud-config'
    group.onInterruption!(() => {})
    await group.increase({ count: 3, launchToken: credentials }, signal)
    const rows = await group.list(signal)
    await Promise.all(rows.map(({ id }) => group.connectInfo(id, signal)))
    for (const { id } of rows) fake.interrupt(id)
    await group.list(signal)
    await group.shutdown()
  }
}

describe.skipIf(python === undefined)(`botocore's models${missing}`, () => {
  const exchanges: Exchange[] = []
  beforeAll(async () => {
    for (const launchMode of ['set_desired_capacity', 'launch_instances']) {
      await using fleet = await startFakeFleet({ onExchange: (exchange) => exchanges.push(withKnownStates(exchange)) })
      const options = { maxInstances: 3, patienceMs: 20_000, pollMs: 20, cloud: () => fleet.fake.controls }
      const report = await runConformance(() => fleet.makeGroup({ launch_mode: launchMode }), options)
      expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    }
    await runRest((exchange) => exchanges.push(exchange))
  }, 300_000)

  test('know every request and response of two conformance runs, and of what these leave out', () => {
    const { exchanges: count, operations, problems } = validate(exchanges)
    expect(problems).toEqual([])
    expect(count).toBe(exchanges.length)
    expect(Object.keys(operations).toSorted()).toEqual([
      'CreateOrUpdateTags',
      'DescribeAutoScalingGroups',
      'DescribeInstanceRefreshes',
      'DescribeInstances',
      'DescribeLaunchTemplateVersions',
      'DescribeScalingActivities',
      'DescribeSpotInstanceRequests',
      'GetConsoleOutput',
      'GetPasswordData',
      'LaunchInstances',
      'SendSSHPublicKey',
      'SetDesiredCapacity',
      'TerminateInstanceInAutoScalingGroup',
    ])
  })

  test('the policy in the documentation allows what is called, and no more', () => {
    const called = new Set(exchanges.map(({ operation }) => operation))
    const actions = policyActions()
    expect(new Set(actions.map((action) => action.split(':')[1]))).toEqual(called)
    const known = ask('', 'operations') as Readonly<Record<string, readonly string[]>>
    for (const [service, operation] of actions.map((action) => action.split(':')))
      expect(known[service!]).toContain(operation)
  })

  test.each([
    ['create-launch-template.json', 'ec2', 'CreateLaunchTemplate'],
    ['create-auto-scaling-group.json', 'autoscaling', 'CreateAutoScalingGroup'],
    ['suspend-processes.json', 'autoscaling', 'SuspendProcesses'],
  ])('know %s as parameters of %s %s, and find a slip in it out', (file, service, operation) => {
    const parameters = setup(file)
    expect(ask(parameters, 'input', service, operation)).toEqual({ problems: [] })
    const slip = parameters.replace(/"(\w+)":/, '"$1s":')
    expect(ask(slip, 'input', service, operation)).not.toEqual({ problems: [] })
  })

  const good = (operation: string): Exchange =>
    exchanges.find((exchange) => exchange.operation === operation && exchange.answer.status === 200)!
  const withRequest = (operation: string, change: (body: string) => string): Exchange => {
    const { request, ...rest } = good(operation)
    return { ...rest, request: { ...request, body: change(request.body) } }
  }
  const withAnswer = (operation: string, change: (body: string) => string, status = 200): Exchange => {
    const { answer, ...rest } = good(operation)
    return { ...rest, answer: { ...answer, status, body: change(answer.body) } }
  }
  const wrong: readonly [what: string, problem: string, exchange: () => Exchange][] = [
    [
      'a parameter that does not exist',
      'request.DesiredCapasity: unknown',
      () => withRequest('SetDesiredCapacity', (body) => body.replace('DesiredCapacity=', 'DesiredCapasity=')),
    ],
    [
      'a missing parameter',
      'Missing required parameter in input: "DesiredCapacity"',
      () => withRequest('SetDesiredCapacity', (body) => body.replace(/DesiredCapacity=\d+&?/, '')),
    ],
    [
      'a tag without its key',
      'Missing required parameter in Tags[0]: "Key"',
      () => withRequest('CreateOrUpdateTags', (body) => body.replace('Tags.member.1.Key=', 'Tags.member.1.Kay=')),
    ],
    [
      'a list in the wrong dialect',
      'AutoScalingGroupNames.1: unknown',
      () => withRequest('DescribeAutoScalingGroups', (body) => body.replace('.member.1', '.1')),
    ],
    [
      'an operation that does not exist',
      'has no operation',
      () =>
        withRequest('DescribeInstances', (body) => body.replace('Action=DescribeInstances', 'Action=ListInstances')),
    ],
    [
      'a key that is too short',
      'expected 80 to 4096',
      () => withRequest('SendSSHPublicKey', (body) => body.replace(/"ssh-ed25519 [^"]+"/, '"ssh-ed25519 AAAA"')),
    ],
    [
      'a word that is no lifecycle state',
      'expected one of',
      () =>
        withAnswer('DescribeAutoScalingGroups', (body) =>
          body.replaceAll(
            '<Instances/>',
            '<Instances><member><LifecycleState>Running</LifecycleState></member></Instances>',
          ),
        ),
    ],
    [
      'an element that does not exist',
      'response.AutoScalingGroups[0].Desired: unknown',
      () =>
        withAnswer('DescribeAutoScalingGroups', (body) => body.replace('<MinSize>', '<Desired>1</Desired><MinSize>')),
    ],
    [
      'a missing element',
      'response.AutoScalingGroups[0].MaxSize: missing',
      () => withAnswer('DescribeAutoScalingGroups', (body) => body.replace(/<MaxSize>\d+<\/MaxSize>/, '')),
    ],
    [
      'a list with the wrong elements',
      'expected the element item',
      () => withAnswer('DescribeInstances', (body) => body.replaceAll('item>', 'member>')),
    ],
    [
      'an error with the wrong status',
      'does not answer ScalingActivityInProgress with status 409',
      () =>
        withAnswer(
          'SetDesiredCapacity',
          () =>
            '<ErrorResponse><Error><Code>ScalingActivityInProgress</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>',
          409,
        ),
    ],
  ]
  test.each(wrong)('find out %s', (_what, problem, exchange) => {
    expect(validate([exchange()]).problems.join('\n')).toContain(problem)
  })
})
