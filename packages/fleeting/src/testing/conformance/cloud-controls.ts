import type { InstanceState } from '../../contract/instance-group.ts'

/**
 * The four calls of a group that a fault can meet. `increase` and `decrease` mean the writing calls to the cloud,
 * whatever is read before them.
 */
export type FaultyCall = 'list' | 'increase' | 'decrease' | 'connectInfo'

/**
 * What a cloud answers, in words that every cloud has; each fake says it as its cloud would. `throttled` too many calls
 * · `quota` · `capacity` no such machine now: at once or as a launch that fails later, as the cloud does it · `auth` ·
 * `invalid_config` the group or its template cannot work · `conflict` another change is under way · `server_error` a
 * 5xx · `reset` the network connection is cut · `hang` no answer at all · `lost_answer` the cloud acts, and the
 * connection is cut before its answer.
 */
export type CloudFaultKind =
  | 'throttled'
  | 'quota'
  | 'capacity'
  | 'auth'
  | 'invalid_config'
  | 'conflict'
  | 'server_error'
  | 'reset'
  | 'hang'
  | 'lost_answer'

export interface CloudFault {
  readonly kind: CloudFaultKind
  readonly on: FaultyCall
  /**
   * How many calls of the cloud's API it meets, retries of its SDK included. Default: every one until
   * {@link CloudControls.heal}.
   */
  readonly times?: number
  /** What the cloud asks to wait, milliseconds, where it can say so. */
  readonly retryAfterMs?: number
}

/** A request that reached the cloud. */
export interface CloudCall {
  /** The cloud's own name of it, for example `DescribeAutoScalingGroups`. */
  readonly operation: string
  /** Which of the cloud's rate limits it draws from. */
  readonly bucket: string
  /** How much it draws. */
  readonly cost: number
  /** Clock time. */
  readonly at: number
  /** HTTP status, 0 when no answer was given. */
  readonly status: number
}

/**
 * Controls of the cloud behind a group: they do what other people, and bad luck, do to it. With them the suite also
 * checks what a group cannot show by itself. A method that is absent skips the cases that need it, by name.
 */
export interface CloudControls {
  /** From now on calls fail so. Faults on the same call are met in the order given. */
  inject?(fault: CloudFault): void
  /** Ends all faults. */
  heal?(): void
  /** Every request so far, in order. */
  calls?(): readonly CloudCall[]
  /** The cloud's own words for an instance's state, with what a group may make of each. */
  readonly states?: ReadonlyMap<string, readonly InstanceState[]>
  /** Puts an instance into one of these states, or into one that nobody has heard of, until it is deleted. */
  setState?(id: string, word: string): void
  /** Somebody else puts a machine into the group: its id as `list` shows it. */
  addForeign?(): string | Promise<string>
  /** Somebody else changes the group's size by so many. */
  resize?(by: number): void | Promise<void>
  /** The machine goes without a word. */
  kill?(id: string): void | Promise<void>
  /** Ids of machines that exist now, as `list` shows them, whatever `list` says. */
  machines(): readonly string[]
  /** What the cloud cannot be made to answer. Default: it can do every kind. */
  readonly unable?: ReadonlySet<CloudFaultKind>
  /** Whether this cloud tells how long to wait, as `retryAfterMs` of a fault. Default false. */
  readonly saysRetryAfter?: boolean
  /** Time passes for the group and its cloud, so that credentials expire. Absent: the suite waits for it, if it can. */
  passTime?(ms: number): void | Promise<void>
  /**
   * Faults of the set-up that `init` must report: puts the group into each, by the name of the finding that must come
   * of it. Answers how to undo it.
   */
  readonly misconfigurations?: ReadonlyMap<string, () => () => void>
}
