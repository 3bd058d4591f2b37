import { type Clock, type Connection, ConnectionError, type DialTarget, type ExecOptions } from '@runner-core/fleeting'
import { type DialledStream, dialledStream } from '../engine/dialled-stream.ts'
import { EngineServer } from '../engine/engine-server.ts'
import { type EngineThing, type EngineWatch, SimEngine } from '../engine/sim-engine.ts'
import type { WorldProcess } from '../world-process.ts'
import { Channel, Link, lost } from './channel.ts'
import { type MachineWatch, type RunningScript, SimMachine } from './sim-machine.ts'

export interface WorldMachinesOptions {
  readonly clock: Clock
  /** Whether a machine is there and runs. */
  readonly runs: (instanceId: string) => boolean
  readonly diskBytes: number
  readonly watch: MachineWatch
  /** Called with what a machine could not understand. */
  readonly onUnknown: (error: Error) => void
  /** How long it takes until a machine notices that a connection is over, milliseconds. */
  readonly noticeMs: () => number
  /** What the machines have for containers. Absent: no Engine. */
  readonly engines?: {
    readonly delayMs: number
    readonly shell: 'sh' | 'bash'
    readonly strange: readonly EngineThing[]
    readonly watch: EngineWatch
  }
}

/** Where an Engine listens on its machine. */
const engineSocket = '/var/run/docker.sock'

/** What a bash that read no start-up file says of itself. */
const loginPrint =
  'hBs,5.2.15(1)-release,braceexpand:hashall:interactive-comments,checkwinsize:cmdhist:progcomp,BASH BASHOPTS,EUID'

/** The machines of a world, each with processes, a disk and perhaps an Engine of its own, as long as it runs. */
export class WorldMachines {
  readonly #machines = new Map<string, SimMachine>()
  readonly #engines = new Map<string, EngineServer>()
  readonly #options: WorldMachinesOptions

  constructor(options: WorldMachinesOptions) {
    this.#options = options
  }

  /** Scripts of jobs whose shells live now. */
  get running(): readonly (RunningScript & { readonly job: string; readonly instanceId: string })[] {
    this.sweep()
    const engines = [...this.#engines.values()].map(({ engine }) => engine)
    return [...this.#machines.values(), ...engines].flatMap(({ scripts }) =>
      scripts.flatMap((script) =>
        script.job === undefined ? [] : [{ ...script, job: script.job, instanceId: script.machine }],
      ),
    )
  }

  /** The machine, once somebody connected to it. */
  get(instanceId: string): SimMachine | undefined {
    return this.#machines.get(instanceId)
  }

  /** Its Engine, once somebody dialled to it. */
  engine(instanceId: string): SimEngine | undefined {
    return this.#engines.get(instanceId)?.engine
  }

  /** What ran on machines that are gone is gone. */
  sweep(): void {
    for (const [id, machine] of this.#machines) {
      if (this.#options.runs(id)) continue
      machine.stop()
      this.#machines.delete(id)
      this.#engines.get(id)?.engine.stop()
      this.#engines.delete(id)
    }
  }

  /** A connection that the cloud opened, as a process has it. */
  connectionOf(process: WorldProcess, connection: Connection, machine: string): Connection {
    const { clock, noticeMs } = this.#options
    const link = new Link()
    const channels = new Set<Channel>()
    const streams = new Set<DialledStream>()
    const forget = process.atEnd(() => void connection.close())
    connection.onEnd(() => {
      forget()
      const cause = connection.ended ?? lost(machine)
      for (const channel of channels) channel.cut(cause)
      channels.clear()
      for (const stream of streams) stream.cut()
      streams.clear()
      const afterMs = noticeMs()
      if (afterMs === 0) link.close()
      else clock.after(afterMs, () => link.close())
    })
    // As where the server's process for it is killed.
    link.onClose(() => void connection.close())
    return {
      machine,
      exec: (command, options = {}) =>
        process.effect('connection', `a command on ${machine}`, async () => {
          if (connection.ended !== undefined) throw connection.ended
          options.signal?.throwIfAborted()
          const channel = this.#exec(process, link, machine, command, options)
          channels.add(channel)
          void channel.execution.closed.catch(() => {}).finally(() => channels.delete(channel))
          return channel.execution
        }),
      dial: (target) =>
        process.effect('connection', `a dial on ${machine}`, async () => {
          if (connection.ended !== undefined) throw connection.ended
          const stream = this.#dial(process, link, machine, target)
          streams.add(stream)
          stream.near.on('close', () => streams.delete(stream))
          return stream.near
        }),
      check: (timeoutMs) => process.effect('connection', `a check of ${machine}`, () => connection.check(timeoutMs)),
      get ended() {
        return connection.ended
      },
      onEnd: (listener) => connection.onEnd((reason) => process.deliver(() => listener(reason))),
      close: () => connection.close(),
    }
  }

  #dial(process: WorldProcess, link: Link, machine: string, target: DialTarget): DialledStream {
    const engine = this.#engine(machine)
    if (engine === undefined || !('socketPath' in target) || target.socketPath !== engineSocket)
      throw new ConnectionError('channel_refused', `nothing listens on ${machine} at ${JSON.stringify(target)}`)
    if (engine.engine.isDown) throw new ConnectionError('channel_refused', `no Engine listens on ${machine}`)
    const stream = dialledStream(process, link, machine)
    engine.serve(stream.far)
    return stream
  }

  #engine(id: string): EngineServer | undefined {
    const { clock, runs, engines, onUnknown } = this.#options
    const known = this.#engines.get(id)
    if (known !== undefined || engines === undefined) return known
    const machine = this.#machine(id)
    const engine = new SimEngine({
      ...engines,
      machine: id,
      clock,
      isUp: () => runs(id),
      uptime: () => machine.uptime,
      trouble: () => machine.trouble,
      fill: (bytes) => {
        machine.disk.othersBytes += bytes
      },
      onUnknown,
    })
    const server = new EngineServer(engine)
    this.#engines.set(id, server)
    return server
  }

  #exec(process: WorldProcess, link: Link, instanceId: string, command: string, options: ExecOptions): Channel {
    const channel = new Channel(process, link, options)
    try {
      this.#machine(instanceId).run(command, link, channel)
      channel.send()
    } catch (error) {
      this.#options.onUnknown(error as Error)
    }
    return channel
  }

  #machine(id: string): SimMachine {
    const { clock, runs, diskBytes, watch } = this.#options
    const known = this.#machines.get(id)
    if (known !== undefined) return known
    const machine = new SimMachine({ id, clock, watch, diskBytes, loginPrint, isUp: () => runs(id) })
    this.#machines.set(id, machine)
    return machine
  }
}
