import type { InstanceState, KeyPair, ListedInstance } from '@runner-core/fleeting'
import type { ContainerCreateOptions, ContainerInfo } from 'dockerode'
import type { TarFile } from './tar.ts'

/** On the image: it keeps to what this plugin expects of one. */
export const imageLabel = 'runner-core.sshd'

/** On containers, so that all that is known of an instance can be read back from the daemon. None of it is secret. */
export const labels = {
  fleet: 'runner-core.fleet',
  launchToken: 'runner-core.launch-token',
  /** The public half of the SSH server's key. */
  hostKey: 'runner-core.host-key',
} as const

export const sshPort = '22/tcp'
export const sshDirectory = '/etc/ssh'

export interface ContainerSettings {
  readonly image: string
  readonly fleet: string
  readonly launchToken: string
  /** Tells the containers of one launch apart, 0 and up. */
  readonly index: number
  readonly hostKey: KeyPair
}

/** A name that says whose it is, and that the same launch cannot take twice. */
export function containerOptions({
  image,
  fleet,
  launchToken,
  index,
  hostKey,
}: ContainerSettings): ContainerCreateOptions {
  return {
    name: `${fleet}-${launchToken}-${index}`.replaceAll(/[^a-zA-Z0-9_.-]/g, '-').replace(/^[^a-zA-Z0-9]/, 'x'),
    Image: image,
    Labels: {
      [labels.fleet]: fleet,
      [labels.launchToken]: launchToken,
      [labels.hostKey]: hostKey.publicKey,
    },
    ExposedPorts: { [sshPort]: {} },
    // Reachable from this machine only, on a port that the daemon picks.
    HostConfig: { PortBindings: { [sshPort]: [{ HostIp: '127.0.0.1', HostPort: '' }] } },
  }
}

/** Into `/etc/ssh` before the start, rather than into the environment, where every inspection would show the key. */
export function sshFiles(hostKey: KeyPair, authorizedKey: string): readonly TarFile[] {
  return [{ name: 'ssh_host_ed25519_key', mode: 0o600, content: hostKey.privateKey }, authorizedKeys(authorizedKey)]
}

export function authorizedKeys(authorizedKey: string): TarFile {
  return { name: 'authorized_keys', mode: 0o644, content: `${authorizedKey}\n` }
}

/** Docker's own short form: unique for good. */
export function instanceId(containerId: string): string {
  return containerId.slice(0, 12)
}

const states: Readonly<Record<string, InstanceState>> = {
  created: 'creating',
  restarting: 'creating',
  running: 'running',
  removing: 'deleting',
  exited: 'failed',
  dead: 'failed',
}
/** Between its creation and its start are milliseconds; who was killed between them does not come back to start it. */
const startTimeoutMs = 60_000

export function listedInstance(
  { Id, State, Status, Created, Labels }: Pick<ContainerInfo, 'Id' | 'State' | 'Status' | 'Created' | 'Labels'>,
  wallTime: number,
): ListedInstance {
  const neverStarted = State === 'created' && wallTime - Created * 1000 > startTimeoutMs
  const launchToken = Labels[labels.launchToken]
  return {
    id: instanceId(Id),
    state: neverStarted ? 'failed' : (states[State] ?? 'unknown'),
    detail: neverStarted ? 'created but never started' : withoutTimes(Status) || State,
    ...(launchToken !== undefined && { launchToken }),
  }
}

/** Docker says for how long, too, which is another with each list, and so would be told again each time. */
function withoutTimes(status: string): string {
  return status.replace(/^Up .*?(?= \(|$)/, 'Up').replace(/ (?:\d+|About|Less than) .*ago$/, '')
}
