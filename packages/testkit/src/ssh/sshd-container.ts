// testcontainers starts the container, waits for its port and finds where it is published.
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { GenericContainer, Wait } from 'testcontainers'

/** A host that is a container with an SSH server: another machine, with processes and files of its own. */
export interface SshdContainer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** As in `known_hosts` after the host's name. */
  readonly hostKey: string
  /** Lets `runner` in. */
  readonly privateKey: string
  /** Stops its processes and starts it again; files stay. */
  restart(): Promise<void>
}

/** Its ports are published on the loopback address alone: Docker's default are all addresses. */
class LoopbackContainer extends GenericContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    const bindings: Readonly<Record<string, { HostIp?: string }[]>> = this.hostConfig.PortBindings ?? {}
    for (const binding of Object.values(bindings).flat()) binding.HostIp = loopback
  }
}

const loopback = '127.0.0.1'
const directory = '/etc/ssh'
const port = 22

/** `image` is one that `dockerMissing` has put in place. */
export async function startSshdContainer(image: string): Promise<SshdContainer> {
  // Its reaper is an image that would have to be pulled. Without it, a container whose test was killed stays.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  const [hostKey, login] = await Promise.all([newKeyPair(), newKeyPair()])
  const container = await new LoopbackContainer(image)
    .withCopyContentToContainer([
      { target: `${directory}/ssh_host_ed25519_key`, content: hostKey.privateKey, mode: 0o600 },
      { target: `${directory}/authorized_keys`, content: `${login.publicKey}\n`, mode: 0o644 },
    ])
    .withExposedPorts(port)
    .withWaitStrategy(Wait.forLogMessage(/Server listening/))
    .start()
  return {
    host: loopback,
    get port() {
      return container.getMappedPort(port)
    },
    hostKey: hostKey.publicKey,
    privateKey: login.privateKey,
    restart: () => container.restart(),
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  }
}
