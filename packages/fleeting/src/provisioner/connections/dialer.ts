import type { Connection } from '../../contract/connection.ts'
import type { Connector } from '../../contract/connector.ts'
import { ConnectionError, isGroupError } from '../../contract/errors.ts'
import type { InstanceGroup } from '../../contract/instance-group.ts'
import type { GroupCaller } from '../calls/group-caller.ts'

/**
 * Opens connections to instances: by the group's own way if it has one, otherwise by its connect info and the
 * connector.
 */
export class Dialer {
  readonly #group: InstanceGroup
  readonly #caller: GroupCaller
  readonly #connector: Connector | undefined

  constructor(group: InstanceGroup, caller: GroupCaller, connector: Connector | undefined) {
    this.#group = group
    this.#caller = caller
    this.#connector = connector
  }

  async dial(id: string, signal: AbortSignal): Promise<Connection> {
    const group = this.#group
    if (group.connect !== undefined)
      return this.#caller.call(
        'connect',
        (limit) => group.connect!(id, limit),
        signal,
        (late) => void closeUnused(late),
      )
    if (this.#connector === undefined)
      throw new ConnectionError('invalid_config', 'the group has no connect method, and no connector was given')
    const info = await this.#caller.call('connectInfo', (limit) => group.connectInfo(id, limit), signal)
    return this.#connector.connect(info, signal)
  }

  /** Why the cloud itself believes the instance dead; undefined when it does not, or cannot tell. */
  async deathOf(id: string, signal: AbortSignal): Promise<string | undefined> {
    const group = this.#group
    if (group.heartbeat === undefined) return undefined
    try {
      await this.#caller.call('heartbeat', (limit) => group.heartbeat!(id, limit), signal)
      return undefined
    } catch (error) {
      return isGroupError(error) && error.code === 'not_found' ? error.message : undefined
    }
  }

  forget(id: string): void {
    this.#connector?.forget?.(id)
  }
}

/** A group that does not heed its signal may open a connection after the caller has left. */
async function closeUnused(connection: Connection): Promise<void> {
  try {
    await connection.close()
  } catch {
    // It was never used: nobody has anything to lose with it.
  }
}
