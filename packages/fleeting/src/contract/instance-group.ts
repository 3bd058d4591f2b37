/**
 * The instance group contract: all that a plugin author implements, in one file.
 *
 * A plugin is a module that exports `createInstanceGroup`. The minimum is `init`, `list`, `increase`, `decrease`,
 * `connectInfo` and `shutdown`; the rest is optional, and its absence is the capability's absence, so a new method
 * never breaks a plugin.
 *
 * Rules for every method: calls may come at any time and concurrently once `init` has resolved; each takes an
 * `AbortSignal` and must reject within a second of its abort; failures are `GroupError`s with a code (anything else
 * counts as `transient`); nothing waits for minutes: report what is true now.
 *
 * Meanings follow GitLab's fleeting provider interface, so that its gRPC wire contract maps onto this one.
 *
 * @module
 */

import type { Clock, Random } from './clock.ts'
import type { Connection } from './connection.ts'
import type { GroupError } from './errors.ts'
import type { GroupOwner } from './group-owner.ts'
import type { HostKeyPins } from './host-key-pins.ts'
import type { KeyPair } from './key-pair.ts'
import type { Logger } from './logger.ts'

/**
 * Every state of a cloud maps to one of these: `creating` not usable yet · `running` exists and may be dialled ·
 * `suspending`, `suspended`, `resuming` only with the capability · `deleting` on its way out, by whomever · `deleted`
 * gone, still listed by the cloud · `failed` will never be usable: the provisioner replaces it · `unknown` the plugin
 * does not know the cloud's word: not used, reported, and removed when it stays so.
 */
export type InstanceState =
  | 'creating'
  | 'running'
  | 'suspending'
  | 'suspended'
  | 'resuming'
  | 'deleting'
  | 'deleted'
  | 'failed'
  | 'unknown'

/** One row of `list`. */
export interface ListedInstance {
  /** Stable and unique within the group for as long as the instance exists, and not used again afterwards. */
  readonly id: string
  readonly state: InstanceState
  /** The cloud's own word for the state, or why it failed; shown to people. With `unknown` it is there. */
  readonly detail?: string
  /**
   * With `failed`: why, in the closed vocabulary, so that launches wait as if `increase` had refused. Clouds that
   * accept first and fail later (a stock-out, a quota) tell it so. A launch that failed without any machine is a row
   * too, under an id of the plugin's own; `decrease` of that id gives its capacity back.
   */
  readonly error?: GroupError
  /** The launch token of the `increase` that made it, where the cloud keeps one (a tag, a name, a client token). */
  readonly launchToken?: string
  /** The placement (zone, type, market) it is in, where the group has several. */
  readonly placement?: string
}

/** What `init` found out about the group. */
export interface GroupInfo {
  /**
   * Path-like identity, for example `aws/eu-west-1/my-asg`. Stays the same over configuration changes and never holds a
   * credential.
   */
  readonly id: string
  /**
   * The largest number of instances the group can have, all states counted. `Infinity` when only the configuration
   * limits it.
   */
  readonly maxSize: number
  /** The plugin's own version. */
  readonly version: string
  readonly capabilities?: readonly Capability[]
  /** Problems of the group's set-up, each with the fix. They do not stop the start. */
  readonly findings?: readonly Finding[]
  /**
   * What the group cannot tell because a protocol between it and its plugin has no words for it; nobody looks for it
   * then. Default: nothing.
   */
  readonly untold?: readonly Untold[]
  /** Placements that `increase` accepts. Default: one, without a name. */
  readonly placements?: readonly string[]
  /**
   * Jobs that an instance of a placement runs at once, ≥ 1, by placement, where that is less than the fleet's
   * `capacity_per_instance`.
   */
  readonly capacities?: Readonly<Record<string, number>>
  /**
   * How late `list` may be, milliseconds: how long after a change it may still show what was before. Default, and at
   * least: the provisioner's `listLagMs`, 10 s; at most 10 minutes count.
   */
  readonly listLagMs?: number
  /** The cloud's published rate limits, so that calls can be kept within them. Default: none are known. */
  readonly rateLimits?: GroupRateLimits
}

/** A cloud's token buckets, and what the contract's calls draw from them. */
export interface GroupRateLimits {
  readonly buckets: Readonly<Record<string, { readonly size: number; readonly perSecond: number }>>
  /**
   * What one call that concerns `count` instances draws, by bucket. For `list` and `connectInfo`, `count` is how many
   * the group has; for `owners` and `claim`, 0.
   */
  draws(
    operation: 'list' | 'describe' | 'increase' | 'decrease' | 'connectInfo' | 'owners' | 'claim',
    count: number,
  ): Readonly<Record<string, number>>
  /**
   * Optional, for clouds that say how much is left: what their answers said since this was last called, by bucket.
   * Called after each call; more than that is not believed to be left.
   */
  remaining?(): Readonly<Record<string, number>>
}

/**
 * The first three come with methods. `launch_tokens`: an `increase` that is asked again under its token launches
 * nothing twice, also when another process of the fleet asks, whatever became of the first call, and answers what was
 * made or is on its way; so a process that finds a launch of an earlier one announced, and does not know whether it was
 * sent, may ask.
 */
export type Capability = 'suspend_resume' | 'heartbeat' | 'interruption_notice' | 'launch_tokens'

/**
 * `findings`: of `init` · `launch_errors`: why a launch that was accepted failed · `states`: the cloud's own words for
 * states, and `unknown`.
 */
export type Untold = 'findings' | 'launch_errors' | 'states'

/** A problem of the group's set-up, worded for an operator. */
export interface Finding {
  /** Stable name in snake case, for example `az_rebalance_on`. */
  readonly code: string
  readonly severity: 'info' | 'warning' | 'error'
  readonly message: string
  /** What to do about it. */
  readonly fix: string
}

export interface IncreaseRequest {
  /** How many more instances are wanted, ≥ 1. */
  readonly count: number
  /** One of `GroupInfo.placements`. */
  readonly placement?: string
  /**
   * Idempotency token: the same token asked twice must not launch twice, where the cloud can tell. Put it on the
   * instances, where it can be.
   */
  readonly launchToken: string
}

export interface IncreaseResult {
  /**
   * How many the cloud accepted, 0 … `count`. They appear in `list` later. Partial success is normal, not an exception.
   */
  readonly requested: number
  /** Ids of those accepted, where the cloud gives them at once. */
  readonly ids?: readonly string[]
  /** Why the rest was not accepted; each error's code decides what the provisioner does next. */
  readonly errors?: readonly GroupError[]
}

export interface DecreaseResult {
  /** Ids whose removal was accepted, **those already gone included**. */
  readonly accepted: readonly string[]
  /** Errors of single ids carry `instanceId`; they do not stop the others. */
  readonly errors?: readonly GroupError[]
}

/**
 * How to reach one instance. Operator settings (`ConnectorConfig`) win over what the plugin finds; the plugin only
 * fills what is empty.
 */
export interface ConnectInfo {
  readonly instanceId: string
  /**
   * Names the machine where it comes back under other instance ids, such as a host that is lent again. Default:
   * `instanceId`.
   */
  readonly machine?: string
  readonly protocol: 'ssh'
  /** `host` or `host:port` inside the cloud's network. */
  readonly internalAddress?: string
  /** `host` or `host:port` reachable from outside. */
  readonly externalAddress?: string
  /** Default 22; a port in an address wins. */
  readonly port?: number
  readonly username: string
  /** PEM or OpenSSH private key. */
  readonly privateKey?: string
  readonly password?: string
  /** Path of an SSH agent's socket. */
  readonly agentSocket?: string
  /**
   * Host keys known beforehand, as in `authorized_keys`: `ssh-ed25519 AAAA…`. Empty or absent: pinned on first use for
   * this instance id.
   */
  readonly hostKeys?: readonly string[]
  /**
   * Wall time in milliseconds after which these credentials no longer work; then `connectInfo` is asked again. Default:
   * never.
   */
  readonly expiresAt?: number
  /** Where instances of one fleet are reached in several ways: what of `connector_config` is different for this one. */
  readonly connector?: ConnectorConfig
  readonly os?: 'linux' | 'darwin' | 'windows'
  /** Go's names: `amd64`, `arm64`, `386`. */
  readonly arch?: string
}

/** `[runners.autoscaler.connector_config]`, parsed. Everything is optional: plugins fill what is absent. */
export interface ConnectorConfig {
  readonly os?: 'linux' | 'darwin' | 'windows'
  readonly arch?: string
  readonly protocol?: 'ssh'
  readonly protocolPort?: number
  readonly username?: string
  readonly password?: string
  /** PEM or OpenSSH private key, as read from `key_path`. */
  readonly privateKey?: string
  readonly agentSocket?: string
  readonly useStaticCredentials?: boolean
  readonly useExternalAddress?: boolean
  /**
   * After so long a silence, or 5,000 while a command or tunnel is open, a machine is asked for a sign of life,
   * milliseconds. It is lost after three questions without an answer, 5,000 apart at most: by default 20 s after it was
   * last heard while in use, otherwise 45 s. Default 30,000; 0: none.
   */
  readonly keepaliveMs?: number
  /** Budget of one dial with all its retries, milliseconds. Default 600,000. */
  readonly timeoutMs?: number
  /**
   * `strict`: only keys known beforehand. `pin` (default): known keys, otherwise the first one seen for an instance id.
   * `off`: anything, with a warning.
   */
  readonly hostKeyChecking?: 'strict' | 'pin' | 'off'
  /**
   * Whether `ssh-rsa` and `hmac-sha1` may be used, which rest on SHA-1, by a machine that knows nothing better. Default
   * false.
   */
  readonly weakAlgorithms?: boolean
}

/** What a plugin is given besides its own configuration. */
export interface PluginContext {
  /**
   * For a plugin that reaches instances by `createSshConnector` itself: where host keys are pinned. Absent: in memory.
   */
  readonly hostKeyPins?: HostKeyPins
  /** The fleet's configured name: put it on what you create, so that it can be found again. Never a credential. */
  readonly fleet: string
  /**
   * Present when the fleet's state is durable: what the plugin makes must then outlive this process, however it ends,
   * and the next process with the same fleet lists it again. A directory for this plugin's own files about this fleet,
   * absolute, kept between processes; it need not exist yet: make it, 0700, when there is something to keep. One
   * process at a time uses it. Absent: nobody will come back for the instances, so what lives on this machine ends with
   * the process.
   */
  readonly stateDir?: string
  /**
   * With durable state: the key by which machines let the fleet in, the same for the next process. Hand it to
   * `fleetKeyPair`, which prefers the operator's, and write it nowhere: it is kept, encrypted, for you.
   */
  readonly fleetKey?: KeyPair
  readonly connector: ConnectorConfig
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
}

/** A set of like machines in some cloud. */
export interface InstanceGroup {
  /**
   * Proves that the group can be read and says what it is. Called once, first. Thrown: `invalid_config`, `auth`,
   * `not_found` (no such group), or what a read may meet.
   */
  init(signal: AbortSignal): Promise<GroupInfo>

  /**
   * The whole truth about the group, in as few calls as the cloud allows: every instance, whoever made it, with its
   * state. One that is left out for longer than the list may be late is gone. Never answer with half a list: throw
   * instead.
   */
  list(signal: AbortSignal): Promise<readonly ListedInstance[]>

  /**
   * Optional, for clouds that can be asked for single instances: what is true now about those among `ids`, at most 100,
   * as `list` would show them. One that the group does not have (any more) is answered as `deleted`; one that is left
   * out could not be told about, as all of them when the call fails. Asked for instances that `list` leaves out, before
   * they are believed to be gone: it must not come from the same answer.
   */
  describe?(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]>

  /**
   * Optional, for groups that may answer `list` from what they read before: when the reading began, as `Clock.now()`,
   * that the last answer of `list` tells of for the instance `id`, whether it shows it or not. Absent, or undefined:
   * with the call; `-Infinity`: nobody has looked yet. An answer that is told again is no second witness that an
   * instance is gone.
   */
  readAt?(id: string): number | undefined

  /**
   * Asks for `count` more instances and answers once the cloud has accepted, not once they run. Never lowers anything.
   * `count` above the room left: ask for what fits and answer the rest as a `quota` error. Throw only when nothing was
   * requested, or when nobody can know; the provisioner then looks at `list` before it asks again.
   */
  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult>

  /**
   * Removes exactly the instances named and no others: never lower a size and let the cloud pick. Idempotent: gone
   * already, being deleted and unknown ids are all `accepted`. An instance still being created is removed too. Empty
   * input: nothing happens.
   */
  decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult>

  /**
   * How to reach the instance now. Never blocks for minutes. Thrown: `not_ready` (ask again later), `not_found` (gone).
   * Side effects, such as pushing a key, are allowed; then set `expiresAt`. Called before every new dial.
   */
  connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo>

  /**
   * Optional: a group whose machines are not reached by SSH connects by its own way. Called instead of `connectInfo`
   * and the SSH connector.
   */
  connect?(id: string, signal: AbortSignal): Promise<Connection>

  /**
   * Optional (`heartbeat`): resolves when the cloud believes the instance healthy; rejects with `not_found` when it
   * does not. Other errors: could not tell.
   */
  heartbeat?(id: string, signal: AbortSignal): Promise<void>

  /** Optional (`suspend_resume`): stops machines without deleting them. Idempotent, answers as `decrease` does. */
  suspend?(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult>

  /** Optional (`suspend_resume`): starts suspended machines. Idempotent, answers as `decrease` does. */
  resume?(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult>

  /**
   * Optional (`interruption_notice`): calls `listener` when the cloud announces that it will take an instance away.
   * Returns how to stop listening.
   */
  onInterruption?(listener: (id: string, atWallTime: number | undefined) => void): () => void

  /**
   * Optional, for clouds that keep a size: gives back what was asked for, by whomever, and has not become an instance,
   * so that nothing is launched for it later. Touches no instance, and nothing that is on its way. Answers how much of
   * it could not be given back. Thrown besides what a write may meet: `conflict`, while nobody knows how much will
   * come; it is then asked again soon. Called once nothing more is wanted: at a shutdown that removes the instances.
   */
  giveBack?(signal: AbortSignal): Promise<number>

  /**
   * Optional, for groups that live outside of this process: why no call can reach it now, for people; undefined while
   * it can be reached. The runner then says that it is not ready. Only looks, and never throws.
   */
  trouble?(): string | undefined

  /**
   * Optional, together with `claim`, for groups that can hold a note: who has the group, as it is written on the group
   * and read from there now; empty: nobody. Only reads. Asked at a start and before instances are deleted, then with
   * their `ids`: a group made of several needs to look at their groups only, and answers every owner that it finds. All
   * other groups leave `ids` out.
   */
  owners?(signal: AbortSignal, ids?: readonly string[]): Promise<readonly GroupOwner[]>

  /**
   * Optional, together with `owners`: writes on the group who has it, whoever had it before; undefined: nobody.
   * Outlives this process, and stays through launches and removals. Resolves once `owners` of any process shows it. The
   * caller has decided that it may. Thrown besides what a write may meet: `auth`, when the group may not be written on;
   * it then works without.
   */
  claim?(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void>

  /**
   * Frees the plugin's own resources (sockets, uploaded keys). Never deletes instances: that is `decrease`. Called
   * once, last.
   */
  shutdown(): Promise<void>
}

/**
 * What a plugin module exports under the name `createInstanceGroup`. Checks `config` and throws `invalid_config` with
 * every problem in its message, each as `path: expected X, got Y`.
 */
export type CreateInstanceGroup = (config: unknown, context: PluginContext) => InstanceGroup
