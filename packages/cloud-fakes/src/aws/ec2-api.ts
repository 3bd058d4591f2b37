import { constants, publicEncrypt } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { FakeAnswer } from '../core/fake-server.ts'
import { instanceType, launchTemplate } from './auto-scaling-api.ts'
import type { FakeGroup, Member } from './auto-scaling-group.ts'
import { newRequestId, pageOf, type QueryForm, type Xml, xmlAnswer } from './query-protocol.ts'
import { Refusal } from './refusal.ts'

const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/'

/** What is told of the machines themselves. */
export interface MachineFacts {
  /** Absent: Linux. */
  readonly windows?: {
    readonly password: string
    /** The public half of the group's key pair, PEM of an RSA key. */
    readonly publicKey: string
  }
  /** Whether they are spot instances. Default false. */
  readonly spot?: boolean
  /** `i386`, `x86_64` or `arm64`. Default `x86_64`. */
  readonly architecture?: string
  /** Whether machines have a public address, the same as the private one. Default false. */
  readonly publicAddresses?: boolean
  /** From running to the console's text and the password, milliseconds. Default 0. */
  readonly consoleMs?: number
  /** From a launch to its being shown by `DescribeInstances`, which may be later than the group shows it. Default 0. */
  readonly readLagMs?: number
}

export interface Ec2Context {
  readonly group: FakeGroup
  readonly clock: Clock
  readonly facts: MachineFacts
  /** Host keys that a machine will show, as in `authorized_keys`. */
  hostKeys(instanceId: string): readonly string[]
  /** The most instances on a page, less than what was asked for: EC2 says that this may be. */
  readonly pageSize: number
}

type Operation = (form: QueryForm, context: Ec2Context) => { readonly [name: string]: Xml }

/** Answers in EC2's envelope. */
export function ec2Answer(operation: string, form: QueryForm, context: Ec2Context): FakeAnswer {
  const content = ec2Operations[operation]!(form, context)
  return xmlAnswer(`${operation}Response`, namespace, { requestId: newRequestId(), ...content })
}

export function ec2Refusal({ code, message, status }: Refusal): FakeAnswer {
  const { headers, body } = xmlAnswer('Response', '', {
    Errors: { Error: { Code: code, Message: message } },
    RequestID: newRequestId(),
  })
  return { status, headers: headers!, body: body.replace(' xmlns=""', '') }
}

export const ec2Operations: Readonly<Record<string, Operation>> = {
  DescribeInstances(form, { group, clock, facts, pageSize }) {
    const ids = form.list('InstanceId')
    const maxResults = form.integer('MaxResults')
    if (maxResults !== undefined && ids.length > 0) {
      throw new Refusal(
        'InvalidParameterCombination',
        'The parameter instancesSet cannot be used with the parameter maxResults',
      )
    }
    if (maxResults !== undefined && (maxResults < 5 || maxResults > 1000)) {
      throw new Refusal(
        'InvalidParameterValue',
        `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value from 5 to 1000.`,
      )
    }
    const isShown = ({ launchedAt }: Member): boolean => launchedAt + (facts.readLagMs ?? 0) <= clock.now()
    const named = ids.length === 0 ? group.everKnown().filter(isShown) : ids.map((id) => memberOf(id, group))
    const matching = named.filter(
      matcher(form, {
        'instance-id': ({ id }) => id,
        'instance-state-name': (member) => group.instanceState(member),
        'tag:aws:autoscaling:groupName': () => group.settings.name,
      }),
    )
    const wrongToken = (): Refusal => new Refusal('InvalidParameterValue', 'The token is not valid.')
    const { page, next } = pageOf(matching, Math.min(pageSize, maxResults ?? 1000), form.text('NextToken'), wrongToken)
    const reservation = (member: Member): Xml => ({
      reservationId: `r-${member.id.slice(2)}`,
      ownerId: '123456789012',
      groupSet: {},
      instancesSet: { item: [instanceXml(member, group, facts)] },
    })
    return { reservationSet: { item: page.map(reservation) }, nextToken: next }
  },

  DescribeSpotInstanceRequests(form, { group, facts, pageSize }) {
    const requests = facts.spot === true ? group.everKnown() : []
    const wrongToken = (): Refusal => new Refusal('InvalidParameterValue', 'The token is not valid.')
    const matching = requests.filter(matcher(form, { 'status-code': (member) => spotStatus(member, group).code }))
    const { page, next } = pageOf(
      matching,
      Math.min(pageSize, form.integer('MaxResults') ?? 1000),
      form.text('NextToken'),
      wrongToken,
    )
    const request = (member: Member): Xml => ({
      spotInstanceRequestId: spotRequestId(member),
      type: 'one-time',
      state: group.isHealthy(member) ? 'active' : 'closed',
      status: spotStatus(member, group),
      instanceId: member.id,
    })
    return { spotInstanceRequestSet: { item: page.map(request) }, nextToken: next }
  },

  DescribeLaunchTemplateVersions(form, { group }) {
    const id = form.needed('LaunchTemplateId')
    if (id !== launchTemplate.LaunchTemplateId)
      throw new Refusal('InvalidLaunchTemplateId.NotFound', `The launch template ${id} does not exist`)
    const { userData } = group.settings
    const version = {
      launchTemplateId: id,
      launchTemplateName: launchTemplate.LaunchTemplateName,
      versionNumber: 1,
      defaultVersion: true,
      launchTemplateData: {
        instanceType,
        ...(userData !== '' && { userData: Buffer.from(userData).toString('base64') }),
      },
    }
    return { launchTemplateVersionSet: { item: [version] } }
  },

  GetConsoleOutput(form, context) {
    const id = form.needed('InstanceId')
    const member = memberOf(id, context.group)
    const keys = hasConsole(member, context) ? context.hostKeys(id) : []
    return {
      instanceId: id,
      timestamp: nowIso(context),
      ...(keys.length > 0 && { output: Buffer.from(consoleText(keys)).toString('base64') }),
    }
  },

  GetPasswordData(form, context) {
    const id = form.needed('InstanceId')
    const member = memberOf(id, context.group)
    const { windows } = context.facts
    const isKnown = windows !== undefined && hasConsole(member, context)
    return {
      instanceId: id,
      timestamp: nowIso(context),
      passwordData: isKnown ? encrypted(windows.password, windows.publicKey) : '',
    }
  },
}

function memberOf(id: string, group: FakeGroup): Member {
  if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id))
    throw new Refusal('InvalidInstanceID.Malformed', `Invalid id: "${id}"`)
  const member = group.everKnown().find((candidate) => candidate.id === id)
  if (member === undefined) throw new Refusal('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
  return member
}

/** All filters must match, of each filter one value. */
function matcher(
  form: QueryForm,
  facts: Readonly<Record<string, (member: Member) => string>>,
): (member: Member) => boolean {
  const filters: { readonly name: string; readonly values: readonly string[] }[] = []
  for (let number = 1; form.text(`Filter.${number}.Name`) !== undefined; number += 1) {
    const values = form.list(`Filter.${number}.Value`)
    if (values.length > 200)
      throw new Refusal('FilterLimitExceeded', 'The maximum number of filter values specified on a single call is 200')
    filters.push({ name: form.needed(`Filter.${number}.Name`), values })
  }
  for (const { name } of filters) {
    if (!Object.hasOwn(facts, name)) throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`)
  }
  return (member) => filters.every(({ name, values }) => values.includes(facts[name]!(member)))
}

const stateCodes = { pending: 0, running: 16, 'shutting-down': 32, terminated: 48 } as const

function instanceXml(member: Member, group: FakeGroup, facts: MachineFacts): Xml {
  const name = group.instanceState(member)
  const { address } = member.machine
  const ended = name === 'terminated'
  return {
    instanceId: member.id,
    imageId: 'ami-0123456789abcdef0',
    instanceState: { code: stateCodes[name], name },
    privateDnsName: ended ? '' : `ip-${address.replaceAll('.', '-')}.${group.settings.region}.compute.internal`,
    keyName: 'runner-machine',
    amiLaunchIndex: 0,
    instanceType,
    launchTime: new Date(member.launchedAt).toISOString(),
    placement: { availabilityZone: member.zone, groupName: '', tenancy: 'default' },
    // As the service model has it; EC2's guide has it in small letters.
    ...(facts.windows !== undefined && { platform: 'Windows' }),
    ...(!ended && { privateIpAddress: address, ...(facts.publicAddresses && { ipAddress: address }) }),
    ...(ended && {
      stateReason: {
        code: 'Client.UserInitiatedShutdown',
        message: 'Client.UserInitiatedShutdown: User initiated shutdown',
      },
    }),
    ...(facts.spot === true && { instanceLifecycle: 'spot', spotInstanceRequestId: spotRequestId(member) }),
    architecture: facts.architecture ?? 'x86_64',
    rootDeviceType: 'ebs',
    virtualizationType: 'hvm',
    tagSet: {
      item: [['aws:autoscaling:groupName', group.settings.name] as const, ...member.tags].map(([key, value]) => ({
        key,
        value,
      })),
    },
    hypervisor: 'xen',
    platformDetails: facts.windows === undefined ? 'Linux/UNIX' : 'Windows',
  }
}

function spotRequestId({ id }: Member): string {
  return `sir-${id.slice(2, 10)}`
}

function spotStatus(
  member: Member,
  group: FakeGroup,
): { readonly code: string; readonly updateTime: string; readonly message: string } {
  const markedAt = group.markedAt(member)
  const updateTime = new Date(markedAt ?? member.launchedAt).toISOString()
  if (markedAt === undefined) return { code: 'fulfilled', updateTime, message: 'Your Spot request is fulfilled.' }
  return { code: 'marked-for-termination', updateTime, message: 'Your Spot Instance is marked for termination.' }
}

function hasConsole({ machine }: Member, { clock, facts }: Ec2Context): boolean {
  return machine.runningAt + (facts.consoleMs ?? 0) <= clock.now()
}

/** As cloud-init prints it on a serial console. */
function consoleText(keys: readonly string[]): string {
  const lines = [
    '[   11.123456] cloud-init[1234]: Cloud-init finished',
    '-----BEGIN SSH HOST KEY KEYS-----',
    ...keys,
    '-----END SSH HOST KEY KEYS-----',
    '',
  ]
  return lines.join('\r\n')
}

function encrypted(password: string, publicKey: string): string {
  return publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(password)).toString(
    'base64',
  )
}

function nowIso({ clock }: Ec2Context): string {
  return new Date(clock.wallTime()).toISOString()
}
