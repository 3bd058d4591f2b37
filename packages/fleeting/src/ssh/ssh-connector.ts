import { type Clock, type Random, systemClock } from '../contract/clock.ts'
import type { Connector } from '../contract/connector.ts'
import type { HostKeyPins } from '../contract/host-key-pins.ts'
import type { ConnectorConfig } from '../contract/instance-group.ts'
import { type Logger, silentLogger } from '../contract/logger.ts'
import { type DialTcp, dialTcp } from './dial-tcp.ts'
import type { SshDialer } from './ssh-dialer.ts'

export interface SshConnectorOptions {
  readonly connector: ConnectorConfig
  readonly clock?: Clock
  readonly random?: Random
  /** Each failed try is logged as `debug`, host key checking that is off as `warn`. */
  readonly logger?: Logger
  /**
   * How a byte stream to the machine is opened, for instance through another connection's `dial`. Default: from this
   * machine.
   */
  readonly dialTcp?: DialTcp
  /**
   * Where the keys are kept that are pinned. Default: in memory, so that another process takes the first key that it
   * sees.
   */
  readonly hostKeyPins?: HostKeyPins | undefined
}

/**
 * Reaches instances by SSH, with the keys, agent or password of the connect info.
 *
 * `connect` retries for `timeoutMs` in all, with back-off; a refused login, a host key that is not the known one, and
 * unusable settings end it at once. Host keys that the connect info does not name are pinned at the first login, per
 * instance id, until `forget`. At most 8 logins are under way per host, as a stock `sshd_config` wants it.
 */
export function createSshConnector(options: SshConnectorOptions): Connector & Required<Pick<Connector, 'forget'>> {
  const settings = {
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
    dialTcp,
    ...options,
    hostKeyPins: options.hostKeyPins ?? new Map<string, string>(),
  }
  if (settings.connector.hostKeyChecking === 'off') {
    settings.logger.warn({}, 'SSH host keys are not checked: anyone on the network path can pose as an instance')
  }
  // ssh2 costs about 40 ms to load, and nothing before the first connection needs it.
  let dialer: Promise<SshDialer> | undefined
  const load = async (): Promise<SshDialer> => new (await import('./ssh-dialer.ts')).SshDialer(settings)
  return {
    async connect(info, signal) {
      dialer ??= load()
      return (await dialer).connect(info, signal)
    },
    forget(instanceId) {
      settings.hostKeyPins.delete(instanceId)
    },
  }
}
