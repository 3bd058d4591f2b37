import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { type Clock, describeError, type Logger, loggedSeconds, type Random } from '@runner-core/fleeting'
import { ConcurrentIds } from '@runner-core/runner-executor'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import type { Settings } from '../config/settings.ts'
import { GroupClaims } from '../fleet/group-claims.ts'
import { withFields } from '../logging/with-fields.ts'
import { type Call, type CallEnd, parseCall } from './call.ts'
import { frame, frameKind } from './frame.ts'
import { ShimFleet } from './shim-fleet.ts'
import { ShimError, ShimJob } from './shim-job.ts'

export interface ShimDaemonOptions {
  readonly settings: Settings
  /** Tells this installation from others, the same after a restart. */
  readonly systemId?: string
  /** Where it is found. */
  readonly directory: string
  /**
   * How long there must have been neither a job nor an instance until the daemon ends itself, milliseconds; `Infinity`:
   * it stays.
   */
  readonly idleTimeoutMs: number
  /** How long a job is kept whose GitLab Runner has gone, milliseconds. */
  readonly ownerGraceMs: number
  readonly findPlugin: FindPlugin
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** How often it is looked whether anybody is still there, milliseconds at most. */
const lookIntervalMs = 1_000
const maxRequestBytes = 64 * 1024

/** Has the machines between the calls that a GitLab Runner makes for its jobs. */
export class ShimDaemon {
  readonly #options: ShimDaemonOptions
  readonly #concurrentIds = new ConcurrentIds()
  readonly #claims = new GroupClaims()
  readonly #fleets = new Map<string, Promise<ShimFleet>>()
  readonly #opened: ShimFleet[] = []
  /** By their temporary directory. */
  readonly #jobs = new Map<string, ShimJob>()
  /** Clients that are connected. */
  readonly #sockets = new Set<Socket>()
  readonly #stop = new AbortController()
  #idleSince: number
  #cancelLook = (): void => {}
  /** No new jobs. */
  #isLeaving = false
  /** No calls at all. */
  #isClosing = false
  #resolveIdle = (): void => {}
  /** Resolves when nobody has needed the daemon for its time: no call is taken from then on. */
  readonly idle: Promise<void>

  constructor(options: ShimDaemonOptions) {
    this.#options = options
    this.#idleSince = options.clock.now()
    this.idle = new Promise((resolve) => {
      this.#resolveIdle = resolve
    })
    this.#lookLater()
  }

  /** Takes a client's connection. */
  readonly serve = (socket: Socket): void => {
    if (this.#isClosing) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    const gone = new AbortController()
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      gone.abort(new ShimError('the call was canceled'))
    })
    let text = ''
    let isCalled = false
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        if (isCalled) gone.abort(new ShimError('the call was stopped by a signal'))
        else void this.#answer(socket, line, gone.signal)
        isCalled = true
      }
      if (text.length > maxRequestBytes) socket.destroy()
    })
  }

  /** Takes no more jobs. Resolves when none is left. */
  async jobsEnded(): Promise<void> {
    this.#isLeaving = true
    while (this.#jobs.size > 0) await new Promise<void>((resolve) => this.#options.clock.after(100, resolve))
  }

  /**
   * Ends every job, and gives the machines back. Answers those that were to be removed and are not known to be gone.
   */
  async shutDown(): Promise<readonly string[]> {
    this.#isClosing = true
    this.#cancelLook()
    this.#stop.abort(new ShimError('the daemon is stopping'))
    await Promise.all([...this.#jobs.values()].map((job) => job.end('the daemon is stopping')))
    await Promise.allSettled(this.#fleets.values())
    const remaining = await Promise.all(this.#opened.map((fleet) => fleet.close()))
    for (const socket of this.#sockets) socket.end()
    return remaining.flat()
  }

  async #answer(socket: Socket, line: string, signal: AbortSignal): Promise<void> {
    const send = (kind: Parameters<typeof frame>[0], payload?: Buffer | string): void | Promise<void> => {
      if (socket.destroyed || socket.write(frame(kind, payload))) return
      return new Promise((resolve) => {
        const goOn = (): void => {
          socket.off('drain', goOn)
          socket.off('close', goOn)
          resolve()
        }
        socket.on('drain', goOn)
        socket.on('close', goOn)
      })
    }
    let end: CallEnd = { end: 'system' }
    try {
      void send(frameKind.accepted)
      end = await this.#do(parseCall(line), send, signal)
    } catch (error) {
      const reason = signal.aborted ? signal.reason : error
      this.#options.logger.warn({ err: error }, 'a call failed')
      void send(frameKind.err, `ERROR: runner-core: ${describeError(reason)}\n`)
    }
    void send(frameKind.end, JSON.stringify(end))
    socket.end()
  }

  async #do(
    call: Call,
    send: (kind: 1 | 2, payload: Buffer | string) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<CallEnd> {
    const { clock, logger } = this.#options
    const known = this.#jobs.get(call.temporaryDirectory)
    known?.heardOf(call.owner)
    switch (call.call) {
      case 'config': {
        const job = known ?? (await this.#begin(call, signal))
        void send(frameKind.out, `${JSON.stringify(job.config())}\n`)
        return { end: 'ok' }
      }
      case 'prepare': {
        const job = known ?? (await this.#begin(call, signal))
        await job.prepare((line) => void send(frameKind.out, `${line}\n`), signal)
        return { end: 'ok' }
      }
      case 'run': {
        if (known === undefined) throw new ShimError('the job is unknown: the daemon that had it has ended')
        const script = await readFile(call.script as string, 'utf8')
        const startedAt = clock.now()
        const status = await known.run(script, (chunk) => send(frameKind.out, chunk), signal)
        logger.debug(
          { stage: call.stage, exit_status: status, duration_seconds: loggedSeconds(clock.now() - startedAt) },
          'stage ended',
        )
        return status === 0 ? { end: 'ok' } : { end: 'build', status }
      }
      case 'cleanup':
        if (known !== undefined) await this.#end(call.temporaryDirectory, known, 'GitLab Runner requested its clean-up')
        return { end: 'ok' }
    }
  }

  async #begin({ temporaryDirectory, jobFile, runner, owner }: Call, signal: AbortSignal): Promise<ShimJob> {
    const { directory, clock, logger } = this.#options
    if (this.#isLeaving) throw new ShimError('the daemon is stopping: it accepts no more jobs')
    const fleet = await unlessAborted(this.#fleetOf(runner), signal)
    const name = { runner_name: fleet.settings.name, ...jobName(jobFile) }
    const job = new ShimJob({ fleet, temporaryDirectory, directory, clock, logger: withFields(logger, name) })
    job.heardOf(owner)
    this.#jobs.set(temporaryDirectory, job)
    logger.info(name, 'job begins')
    return job
  }

  /** One that does not start is tried again by the next call: it fails this one. */
  #fleetOf(name: string | undefined): Promise<ShimFleet> {
    const { settings, logger } = this.#options
    const names = settings.runners.map((each) => each.name).join(', ')
    const runner =
      settings.runners.find((each) => each.name === name) ??
      (name === undefined && settings.runners.length === 1 ? settings.runners[0] : undefined)
    if (runner === undefined)
      return Promise.reject(new ShimError(`expected --runner with one of ${names}, got ${name ?? 'none'}`))
    let fleet = this.#fleets.get(runner.name)
    if (fleet === undefined) {
      const claimGroup = (groupId: string): void => this.#claims.claim(groupId, runner.name)
      const own = withFields(logger, { runner_name: runner.name })
      fleet = ShimFleet.open(
        { ...this.#options, runner, concurrentIds: this.#concurrentIds, claimGroup, logger: own },
        this.#stop.signal,
      )
      this.#fleets.set(runner.name, fleet)
      fleet.then(
        (opened) => this.#opened.push(opened),
        (error: unknown) => {
          logger.error({ err: error }, 'fleet does not start')
          this.#fleets.delete(runner.name)
        },
      )
    }
    return fleet
  }

  async #end(temporaryDirectory: string, job: ShimJob, why: string): Promise<void> {
    await job.end(why)
    if (this.#jobs.get(temporaryDirectory) === job) this.#jobs.delete(temporaryDirectory)
  }

  #lookLater(): void {
    const { clock, idleTimeoutMs, ownerGraceMs } = this.#options
    const intervalMs = Math.max(20, Math.min(lookIntervalMs, idleTimeoutMs / 2, ownerGraceMs / 2))
    this.#cancelLook = clock.after(intervalMs, () => {
      this.#look()
      if (!this.#stop.signal.aborted) this.#lookLater()
    })
  }

  #look(): void {
    const { clock, idleTimeoutMs, ownerGraceMs } = this.#options
    const now = clock.now()
    for (const [directory, job] of this.#jobs)
      if (now - (job.leftAt ?? now) >= ownerGraceMs) void this.#end(directory, job, 'its GitLab Runner has gone')
    const isEmpty = this.#opened.every((fleet) => fleet.isEmpty)
    if (this.#jobs.size > 0 || this.#sockets.size > 0 || !isEmpty) this.#idleSince = clock.now()
    else if (clock.now() - this.#idleSince >= idleTimeoutMs) {
      this.#isClosing = true
      this.#resolveIdle()
    }
  }
}

/** For the log. Nothing else in the file is ours to know. */
function jobName(file: string | undefined): object {
  if (file === undefined) return {}
  try {
    const { id, job_info } = JSON.parse(readFileSync(file, 'utf8')) as {
      id?: unknown
      job_info?: { project_id?: unknown }
    }
    return { job: id, project: job_info?.project_id }
  } catch {
    return {}
  }
}

/** Rejects with the signal's reason as soon as it aborts. */
function unlessAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    value.then(resolve, reject)
  })
}
