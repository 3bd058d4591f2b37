import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { AutoScaling, type CreateAutoScalingGroupType, type ScalingProcessQuery } from '@aws-sdk/client-auto-scaling'
import { type CreateLaunchTemplateRequest, EC2 } from '@aws-sdk/client-ec2'

/** A Python with the packages of `packages/testkit/validators/requirements.txt`. */
export const cloudsPython = process.env['CLOUDS_PYTHON']

/** Stands after the name of what needs {@link cloudsPython} and is skipped for want of it. */
export const withoutPython =
  cloudsPython === undefined ? ' (SKIPPED: CLOUDS_PYTHON is not set, a Python with boto3 1.44.8 and moto 5.2.5)' : ''

/** What moto's own clients need to be told. */
export const motoAccess = {
  region: 'eu-west-1',
  // moto takes any key.
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
}

export interface GroupOptions {
  readonly name: string
  readonly maxSize: number
  /** The network that machines have their addresses from, `/16` to `/28`. Default `127.80.0.0/24`. */
  readonly cidr?: string
}

/** Runs `python -m moto.server` until its input ends: it must not outlive the test, however that ends. */
const untilInputEnds = `import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
sys.argv = ['moto_server', '-H', '127.0.0.1', '-p', '0']
runpy.run_module('moto.server', run_name='__main__')
`

function setup<Input>(file: string): Input {
  const plugin = createRequire(import.meta.url).resolve('@runner-core/fleeting-plugin-aws/package.json')
  return JSON.parse(readFileSync(join(dirname(plugin), 'setup', file), 'utf8')) as Input
}

/** moto's server, somebody else's AWS, behind a door that writes down what is asked. */
export class Moto implements AsyncDisposable {
  /** Of all services, through the door. */
  readonly url: string
  /** Of what came through the door: `Action` and parameters of the query protocol. */
  readonly requests: readonly URLSearchParams[]
  /** Clients of the test, past the door. */
  readonly autoScaling: AutoScaling
  readonly ec2: EC2
  readonly #end: () => Promise<void>

  static async start(python: string): Promise<Moto> {
    // Without the images of Amazon, which take seconds to load.
    const env = { ...process.env, MOTO_EC2_LOAD_DEFAULT_AMIS: 'false' }
    const server = spawn(python, ['-c', untilInputEnds], { env, stdio: 'pipe' })
    const ended = once(server, 'exit')
    const inner = await new Promise<string>((resolve, reject) => {
      let said = ''
      const listen = (chunk: Buffer): void => {
        said = said.length < 65_536 ? said + chunk.toString() : said
        const url = /Running on (http:\S+)/.exec(said)?.[1]
        if (url !== undefined) resolve(url)
      }
      server.stdout.on('data', listen)
      server.stderr.on('data', listen)
      server.once('error', reject)
      server.once('exit', () => reject(new Error(`moto ended: ${said}`)))
    })
    const requests: URLSearchParams[] = []
    // One after the other: its threads share groups without a lock, and of two decrements at once one is lost.
    let last: Promise<unknown> = Promise.resolve()
    const pass = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = await buffer(incoming)
      const before = last
      let answered!: () => void
      last = new Promise<void>((resolve) => (answered = resolve))
      await before
      requests.push(new URLSearchParams(body.toString()))
      const { method, headers } = incoming
      const onward = request(new URL(incoming.url ?? '/', inner), { method, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      onward.on('close', () => answered())
      onward.end(body)
    }
    const door = createServer((incoming, response) => void pass(incoming, response).catch(() => response.destroy()))
    door.listen(0, '127.0.0.1')
    await once(door, 'listening')
    return new Moto(inner, `http://127.0.0.1:${(door.address() as AddressInfo).port}`, requests, async () => {
      door.closeAllConnections()
      door.close()
      server.stdin.end()
      await ended
    })
  }

  private constructor(inner: string, url: string, requests: readonly URLSearchParams[], end: () => Promise<void>) {
    this.url = url
    this.requests = requests
    this.autoScaling = new AutoScaling({ endpoint: inner, ...motoAccess })
    this.ec2 = new EC2({ endpoint: inner, ...motoAccess })
    this.#end = end
  }

  /** An Auto Scaling group, empty, of the files in `setup`, which the plugin's documentation says to use. */
  async makeGroup({ name, maxSize, cidr = '127.80.0.0/24' }: GroupOptions): Promise<void> {
    const zone = 'eu-west-1a'
    const { Vpc } = await this.ec2.createVpc({ CidrBlock: cidr })
    const { Subnet } = await this.ec2.createSubnet({ VpcId: Vpc!.VpcId, CidrBlock: cidr, AvailabilityZone: zone })
    const { GroupId } = await this.ec2.createSecurityGroup({ GroupName: name, Description: name, VpcId: Vpc!.VpcId })
    const template = setup<CreateLaunchTemplateRequest>('create-launch-template.json')
    const LaunchTemplateData = { ...template.LaunchTemplateData, SecurityGroupIds: [GroupId!] }
    await this.ec2.createLaunchTemplate({ ...template, LaunchTemplateName: name, LaunchTemplateData })
    const group = setup<CreateAutoScalingGroupType>('create-auto-scaling-group.json')
    const Tags = group.Tags!.map((tag) => ({ ...tag, ResourceId: name, ResourceType: 'auto-scaling-group' }))
    await this.autoScaling.createAutoScalingGroup({
      ...group,
      AutoScalingGroupName: name,
      LaunchTemplate: { ...group.LaunchTemplate, LaunchTemplateName: name },
      MaxSize: maxSize,
      VPCZoneIdentifier: Subnet!.SubnetId!,
      Tags,
    })
    await this.autoScaling.suspendProcesses({
      ...setup<ScalingProcessQuery>('suspend-processes.json'),
      AutoScalingGroupName: name,
    })
  }

  /** Of every machine that ever was. */
  async instanceStates(): Promise<ReadonlyMap<string, string>> {
    const { Reservations = [] } = await this.ec2.describeInstances({})
    const instances = Reservations.flatMap(({ Instances = [] }) => Instances)
    return new Map(instances.map(({ InstanceId, State }) => [InstanceId!, State!.Name!]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.autoScaling.destroy()
    this.ec2.destroy()
    await this.#end()
  }
}
