import type { Connection } from './connection.ts'
import type { ConnectInfo } from './instance-group.ts'

/** Reaches instances by their connect info. */
export interface Connector {
  /**
   * Opens a connection, with as many tries as the budget allows. Thrown: `ConnectionError` (`refused_credentials`,
   * `host_key_mismatch`, `unreachable`, `expired`, `invalid_config`), or the signal's reason once it aborts.
   */
  connect(info: ConnectInfo, signal: AbortSignal): Promise<Connection>
  /** Drops what is remembered about an instance that is gone, such as its pinned host key. */
  forget?(instanceId: string): void
}
