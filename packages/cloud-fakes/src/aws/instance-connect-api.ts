import type { FakeAnswer } from '../core/fake-server.ts'
import type { FakeGroup } from './auto-scaling-group.ts'
import { newRequestId } from './query-protocol.ts'
import { Refusal } from './refusal.ts'

/** A key that was pushed to a machine. */
export interface PushedKey {
  readonly instanceId: string
  readonly username: string
  readonly publicKey: string
}

/** The one operation of EC2 Instance Connect that exists here. Thrown: a refusal. */
export function sendSshPublicKey(body: string, group: FakeGroup, pushed: (key: PushedKey) => void): FakeAnswer {
  const { InstanceId, InstanceOSUser, SSHPublicKey, AvailabilityZone } = parse(body)
  if (!/^i-[a-f0-9]+$/.test(InstanceId ?? '')) throw new Refusal('InvalidArgsException', 'Instance ID is not valid')
  if (!/^[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?$/.test(InstanceOSUser ?? ''))
    throw new Refusal('InvalidArgsException', 'Instance OS user is not valid')
  if (!/^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/]{40,}={0,2}( .*)?$/.test(SSHPublicKey ?? ''))
    throw new Refusal('InvalidArgsException', 'Invalid SSH public key')
  const member = group.everKnown().find(({ id }) => id === InstanceId)
  if (member === undefined) throw new Refusal('EC2InstanceNotFoundException', `Instance not found: ${InstanceId}`)
  if (AvailabilityZone !== undefined && AvailabilityZone !== member.zone)
    throw new Refusal('InvalidArgsException', 'Wrong Availability Zone')
  if (group.instanceState(member) !== 'running')
    throw new Refusal('EC2InstanceStateInvalidException', 'Instance is not running')
  pushed({ instanceId: InstanceId!, username: InstanceOSUser!, publicKey: SSHPublicKey! })
  return jsonAnswer(200, { RequestId: newRequestId(), Success: true })
}

export function instanceConnectRefusal({ code, message, status }: Refusal): FakeAnswer {
  return jsonAnswer(status, { __type: code, Message: message })
}

function jsonAnswer(status: number, content: object): FakeAnswer {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.1' }, body: JSON.stringify(content) }
}

function parse(body: string): Readonly<Record<string, string | undefined>> {
  try {
    return Object(JSON.parse(body)) as Readonly<Record<string, string | undefined>>
  } catch {
    throw new Refusal('SerializationException', 'The body is not JSON')
  }
}
