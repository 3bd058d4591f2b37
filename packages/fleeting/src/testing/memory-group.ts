import { type Clock, delay, type Random } from '../contract/clock.ts'
import type { Connection } from '../contract/connection.ts'
import { ConnectionError, GroupError, isGroupError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import type {
  Capability,
  ConnectInfo,
  DecreaseResult,
  Finding,
  GroupInfo,
  IncreaseRequest,
  IncreaseResult,
  InstanceGroup,
  InstanceState,
  ListedInstance,
} from '../contract/instance-group.ts'
import type { CloudControls } from './conformance/cloud-controls.ts'
import type { MemoryCall, MemoryFault, MemoryOperation } from './memory-calls.ts'
import { memoryCloudControls } from './memory-cloud-controls.ts'
import { MemoryConnection, type MemoryShell } from './memory-connection.ts'
import { MemoryMachine } from './memory-machine.ts'

/**
 * Everything has a default that makes a prompt, well-behaved cloud. Durations are milliseconds, fixed or drawn for each
 * use.
 */
export interface MemoryGroupOptions {
  readonly clock: Clock
  /** Default `memory/test`. */
  readonly id?: string
  /** Default 1,000. */
  readonly maxSize?: number
  readonly placements?: readonly string[]
  /** Names the machine of this number, in this placement. Default `m-1`, `m-2`, …. */
  readonly nameMachine?: (number: number, placement: string | undefined) => string
  readonly capabilities?: readonly Capability[]
  /** From accepted to shown by `list`. Default 0. */
  readonly appearDelayMs?: number | (() => number)
  /** From shown to `running`. Default 0. */
  readonly bootDelayMs?: number | (() => number)
  /** From `deleting` to gone. Default 0. */
  readonly deleteDelayMs?: number | (() => number)
  /** Every call takes this long. Default 0: it answers at once. */
  readonly callDelayMs?: number | (() => number)
  /** `list` tells the truth of this long ago. Default 0. */
  readonly listLagMs?: number
  /**
   * What the cloud tells. Default: everything. `ids` the answer of `increase` holds ids · `tokens` rows hold launch
   * tokens · `idempotent` a token asked twice launches once · `byId` single instances can be asked for (`describe`).
   */
  readonly tells?: {
    readonly ids?: boolean
    readonly tokens?: boolean
    readonly idempotent?: boolean
    readonly byId?: boolean
  }
  /** Gives the group a `connect` of its own, whose commands this answers. Absent: only `connectInfo`. */
  readonly shell?: MemoryShell
  /**
   * Whether a fault of {@link MemoryGroup.controls} that says `capacity` or `quota` is no refusal, but machines that
   * fail. Default false.
   */
  readonly lateRefusals?: boolean
  /** Whether it can hold an owner, with `owners` and `claim`. Default false. */
  readonly holdsOwner?: boolean
  /** How long credentials work. Default: for ever. */
  readonly credentialsMs?: number
}

/**
 * A programmable instance group that lives in memory: boot delays, faults, partial success, stuck machines, changes
 * by others, and a record of every call.
 */
export class MemoryGroup implements InstanceGroup {
  readonly calls: MemoryCall[] = []
  readonly connect?: (id: string, signal: AbortSignal) => Promise<Connection>
  /** Tells of this moment, however late `list` is. */
  describe?: (ids: readonly string[], signal: AbortSignal) => Promise<readonly ListedInstance[]>
  readonly onInterruption?: (listener: (id: string, atWallTime: number | undefined) => void) => () => void
  readonly heartbeat?: (id: string, signal: AbortSignal) => Promise<void>
  readonly suspend?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>
  readonly resume?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>

  readonly owners?: (signal: AbortSignal, ids?: readonly string[]) => Promise<readonly GroupOwner[]>
  readonly claim?: (owner: GroupOwner | undefined, signal: AbortSignal) => Promise<void>

  /** Absent, since all that was asked for is an instance here; a test may give it one. */
  giveBack?: (signal: AbortSignal) => Promise<number>

  /** What the conformance suite does to this cloud. */
  readonly controls: CloudControls
  /** The next so many accepted launches never appear. */
  launchesLost = 0
  /** The next so many machines stay `creating` for ever. */
  bootsStuck = 0
  /** The next so many machines become `failed` instead of `running`. */
  bootsFailed = 0
  /** What those tell as the reason. */
  bootError: GroupError | undefined
  /** The next so many deletes are accepted without any effect. */
  deletesIgnored = 0
  /** Deletes from now on never get past `deleting`. */
  deletesStuck = false
  /** The next increase accepts at most this many, and gives the error for the rest. */
  acceptOnly: { readonly count: number; readonly error: GroupError } | undefined
  /** Machines that cannot be reached now; `'all'`: our own network is down. */
  unreachable: Set<string> | 'all' = new Set<string>()
  /** Who has the group, as anybody may have written it. */
  owner: GroupOwner | undefined
  /** Whether `shutdown` was called. */
  isShutDown = false

  readonly #options: MemoryGroupOptions
  readonly #clock: Clock
  readonly #machines = new Map<string, MemoryMachine>()
  readonly #byToken = new Map<string, readonly MemoryMachine[]>()
  readonly #faults = new Map<MemoryOperation, { readonly fault: MemoryFault; left: number }[]>()
  readonly #connections = new Map<string, Set<MemoryConnection>>()
  readonly #interruptionListeners = new Set<(id: string, atWallTime: number | undefined) => void>()
  readonly #findings = new Set<Finding>()
  #nextId = 1

  constructor(options: MemoryGroupOptions) {
    this.#options = options
    this.#clock = options.clock
    this.controls = memoryCloudControls(this, options)
    const { shell } = options
    if (shell !== undefined)
      this.connect = (id, signal) =>
        this.#call({ operation: 'connect', ids: [id] }, signal, () => this.#open(id, shell))
    const { byId = true, tokens = true } = options.tells ?? {}
    if (byId) {
      this.describe = (ids, signal) =>
        this.#call({ operation: 'describe', ids }, signal, () =>
          ids.map(
            (id): ListedInstance =>
              this.#machines.get(id)?.rowAt(this.#clock.now(), tokens) ?? { id, state: 'deleted' },
          ),
        )
    }
    if (options.capabilities?.includes('interruption_notice')) {
      this.onInterruption = (listener) => {
        this.#interruptionListeners.add(listener)
        return () => this.#interruptionListeners.delete(listener)
      }
    }
    if (options.capabilities?.includes('heartbeat')) {
      this.heartbeat = (id, signal) =>
        this.#call({ operation: 'heartbeat', ids: [id] }, signal, () => {
          if (this.stateOf(id) !== 'running')
            throw new GroupError('not_found', `instance ${id} is not running`, { instanceId: id })
        })
    }
    if (options.capabilities?.includes('suspend_resume')) {
      this.suspend = (ids, signal) =>
        this.#call({ operation: 'suspend', ids }, signal, () => this.#force(ids, 'suspended'))
      this.resume = (ids, signal) => this.#call({ operation: 'resume', ids }, signal, () => this.#force(ids, 'running'))
    }
    if (options.holdsOwner === true) {
      this.owners = (signal, ids) =>
        this.#call({ operation: 'owners', ...(ids !== undefined && { ids }) }, signal, () =>
          this.owner === undefined ? [] : [this.owner],
        )
      this.claim = (owner, signal) =>
        this.#call({ operation: 'claim' }, signal, () => {
          this.owner = owner
        })
    }
  }

  init(signal: AbortSignal): Promise<GroupInfo> {
    const { id = 'memory/test', placements, listLagMs, tells } = this.#options
    const { capabilities = [] } = this.#options
    const all: readonly Capability[] = [
      ...capabilities,
      ...((tells?.idempotent ?? true) ? (['launch_tokens'] as const) : []),
    ]
    return this.#call({ operation: 'init' }, signal, () => ({
      id,
      maxSize: this.maxSize,
      version: '1.0.0',
      ...(placements !== undefined && { placements }),
      ...(all.length > 0 && { capabilities: all }),
      ...(listLagMs !== undefined && { listLagMs }),
      ...(this.#findings.size > 0 && { findings: [...this.#findings] }),
    }))
  }

  list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    return this.#call({ operation: 'list' }, signal, () => {
      const time = this.#clock.now() - (this.#options.listLagMs ?? 0)
      const withTokens = this.#options.tells?.tokens ?? true
      return [...this.#machines.values()].flatMap((machine) => machine.rowAt(time, withTokens) ?? [])
    })
  }

  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    return this.#call({ operation: 'increase', request }, signal, () => {
      const known = this.#byToken.get(launchKey(request))
      const again = known !== undefined && (this.#options.tells?.idempotent ?? true)
      const { machines, errors } = again ? { machines: known, errors: [] } : this.#launch(request)
      return {
        requested: machines.length,
        ...((this.#options.tells?.ids ?? true) && { ids: machines.map(({ id }) => id) }),
        ...(errors.length > 0 && { errors }),
      }
    })
  }

  decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    return this.#call({ operation: 'decrease', ids }, signal, () => {
      for (const id of ids) {
        if (this.deletesIgnored > 0) this.deletesIgnored -= 1
        else this.#delete(id)
      }
      return { accepted: [...ids] }
    })
  }

  connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    return this.#call({ operation: 'connectInfo', ids: [id] }, signal, () => {
      this.#mustRun(id)
      const { credentialsMs } = this.#options
      const expiry = credentialsMs !== undefined && { expiresAt: this.#clock.wallTime() + credentialsMs }
      return {
        instanceId: id,
        protocol: 'ssh',
        internalAddress: '127.0.0.1',
        username: 'memory',
        password: 'memory',
        ...expiry,
      }
    })
  }

  async shutdown(): Promise<void> {
    await this.#call({ operation: 'shutdown' }, new AbortController().signal, () => {
      this.isShutDown = true
    })
  }

  /**
   * The next `times` calls of `operation` meet this fault (`Infinity`: until `heal`). Faults of one operation are met
   * in the order given.
   */
  fail(operation: MemoryOperation, fault: MemoryFault | Error, times = 1): void {
    const queue = this.#faults.get(operation) ?? []
    queue.push({ fault: fault instanceof Error ? { kind: 'error', error: fault } : fault, left: times })
    this.#faults.set(operation, queue)
  }

  /** Ends all faults: of calls, boots, deletes and the network. What is stuck already stays stuck. */
  heal(): void {
    this.#faults.clear()
    this.launchesLost = this.bootsStuck = this.bootsFailed = this.deletesIgnored = 0
    this.deletesStuck = false
    this.acceptOnly = this.bootError = undefined
    this.unreachable = new Set()
    for (const machine of this.#machines.values()) {
      if (machine.deletingAt < Infinity && machine.goneAt === Infinity) machine.goneAt = this.#clock.now()
    }
  }

  /** A machine that somebody else made. */
  addForeign(state: InstanceState = 'running'): string {
    const now = this.#clock.now()
    const machine = this.#add(undefined, undefined, now, now)
    if (state !== 'running') machine.forced = { state, from: now }
    return machine.id
  }

  /** Somebody else changes the group's size: so many more machines, or the oldest go. */
  resize(by: number): void {
    for (let added = 0; added < by; added += 1) this.#boot(undefined, undefined)
    for (const id of this.ids.slice(0, Math.max(0, -by))) this.#delete(id)
  }

  /** `init` reports this from now on, until what is returned is called. */
  find(finding: Finding): () => void {
    this.#findings.add(finding)
    return () => this.#findings.delete(finding)
  }

  /** The cloud takes the machine away, without a word. */
  preempt(id: string): void {
    const machine = this.#machines.get(id)
    if (machine !== undefined) machine.goneAt = Math.min(machine.goneAt, this.#clock.now())
    this.#drop(id)
  }

  /** The cloud announces that it will take the machine away. Needs the capability `interruption_notice`. */
  announceInterruption(id: string, atWallTime?: number): void {
    for (const listener of this.#interruptionListeners) listener(id, atWallTime)
  }

  /** Forces a state, which stays until the machine is deleted. */
  setState(id: string, state: InstanceState, detail?: string): void {
    const machine = this.#machines.get(id)
    if (machine !== undefined)
      machine.forced = { state, from: this.#clock.now(), ...(detail !== undefined && { detail }) }
  }

  /** The true state now, whatever `list` says. */
  stateOf(id: string): InstanceState | undefined {
    return this.#machines.get(id)?.stateAt(this.#clock.now())
  }

  /** Ids of machines that exist now or are on their way, whatever `list` says. */
  get ids(): readonly string[] {
    const now = this.#clock.now()
    return [...this.#machines.values()].filter((machine) => machine.goneAt > now).map(({ id }) => id)
  }

  get maxSize(): number {
    return this.#options.maxSize ?? 1000
  }

  /**
   * Ends every open connection, or those to one machine: a network that goes away. Set `unreachable` so that new ones
   * fail too.
   */
  dropConnections(to?: string): void {
    for (const id of to === undefined ? this.#connections.keys() : [to]) this.#drop(id)
  }

  #drop(id: string): void {
    for (const connection of this.#connections.get(id) ?? []) connection.drop()
    this.#connections.delete(id)
  }

  #add(
    launchToken: string | undefined,
    placement: string | undefined,
    appearsAt: number,
    runningAt: number,
  ): MemoryMachine {
    const { nameMachine = (number) => `m-${number}` } = this.#options
    const machine = new MemoryMachine(
      nameMachine(this.#nextId++, placement),
      launchToken,
      placement,
      appearsAt,
      runningAt,
    )
    this.#machines.set(machine.id, machine)
    return machine
  }

  #launch({ count, launchToken, placement }: IncreaseRequest): {
    machines: readonly MemoryMachine[]
    errors: readonly GroupError[]
  } {
    const room = Math.max(0, this.maxSize - this.ids.length)
    const errors: GroupError[] = []
    let accepted = count
    if (accepted > room) {
      accepted = room
      errors.push(new GroupError('quota', `the group may have ${this.maxSize} instances and has ${this.ids.length}`))
    }
    if (this.acceptOnly !== undefined && accepted > this.acceptOnly.count) {
      accepted = this.acceptOnly.count
      errors.push(this.acceptOnly.error)
    }
    this.acceptOnly = undefined
    const machines = Array.from({ length: accepted }, () => this.#boot(launchToken, placement))
    this.#byToken.set(launchKey({ launchToken, placement }), machines)
    return { machines, errors }
  }

  #boot(launchToken: string | undefined, placement: string | undefined): MemoryMachine {
    const appearsAt = this.#clock.now() + draw(this.#options.appearDelayMs)
    const machine = this.#add(launchToken, placement, appearsAt, appearsAt + draw(this.#options.bootDelayMs))
    if (this.launchesLost > 0) {
      this.launchesLost -= 1
      machine.goneAt = this.#clock.now()
    } else if (this.bootsStuck > 0) {
      this.bootsStuck -= 1
      machine.runningAt = Infinity
    } else if (this.bootsFailed > 0) {
      this.bootsFailed -= 1
      const error = this.bootError
      const detail = error?.message ?? 'the boot failed'
      machine.forced = { state: 'failed', detail, from: machine.runningAt, ...(error !== undefined && { error }) }
    }
    return machine
  }

  #delete(id: string): void {
    const machine = this.#machines.get(id)
    if (machine === undefined) return
    const now = this.#clock.now()
    machine.deletingAt = Math.min(machine.deletingAt, now)
    if (!this.deletesStuck) machine.goneAt = Math.min(machine.goneAt, now + draw(this.#options.deleteDelayMs))
    this.#drop(id)
  }

  #force(ids: readonly string[], state: InstanceState): DecreaseResult {
    for (const id of ids) this.setState(id, state)
    return { accepted: ids }
  }

  #mustRun(id: string): void {
    const state = this.stateOf(id)
    if (state === 'creating') throw new GroupError('not_ready', `instance ${id} is being created`, { instanceId: id })
    if (state !== 'running') throw new GroupError('not_found', `instance ${id} is not running`, { instanceId: id })
  }

  #open(id: string, shell: MemoryShell): MemoryConnection {
    this.#mustRun(id)
    if (this.unreachable === 'all' || this.unreachable.has(id))
      throw new ConnectionError('unreachable', `instance ${id} does not answer`)
    const connection = new MemoryConnection(id, shell)
    const open = this.#connections.get(id) ?? new Set()
    this.#connections.set(id, open.add(connection))
    connection.onEnd(() => open.delete(connection))
    return connection
  }

  async #call<T>(call: Omit<MemoryCall, 'at'>, signal: AbortSignal, act: () => T): Promise<T> {
    const record: MemoryCall = { ...call, at: this.#clock.now() }
    this.calls.push(record)
    try {
      signal.throwIfAborted()
      const fault = this.#takeFault(call.operation)
      const delayMs = draw(this.#options.callDelayMs)
      if (delayMs > 0) await delay(this.#clock, delayMs, signal)
      if (fault?.kind === 'error') throw fault.error
      if (fault?.kind === 'deaf') return await new Promise<T>(() => {})
      if (fault?.kind === 'hang')
        return await new Promise<T>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        )
      const result = act()
      if (fault?.kind === 'afterActing') throw fault.error
      return result
    } catch (error) {
      record.failed = isGroupError(error) ? error.code : signal.aborted ? 'aborted' : 'transient'
      throw error
    }
  }

  #takeFault(operation: MemoryOperation): MemoryFault | undefined {
    const queue = this.#faults.get(operation)
    const first = queue?.[0]
    if (queue === undefined || first === undefined) return undefined
    first.left -= 1
    if (first.left <= 0) queue.shift()
    return first.fault
  }
}

/** A launch may be shared out over placements under one token. */
function launchKey({
  launchToken,
  placement = '',
}: Pick<IncreaseRequest, 'launchToken'> & { readonly placement?: string | undefined }): string {
  return `${placement} ${launchToken}`
}

function draw(delayMs: number | Random | undefined): number {
  return typeof delayMs === 'function' ? delayMs() : (delayMs ?? 0)
}
