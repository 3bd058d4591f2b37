import { type Clock, delay } from '@runner-core/fleeting'
import { createContainer } from '../containers/create-container.ts'
import { execInContainer } from '../containers/exec.ts'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { StringMap } from '../settings/docker-settings.ts'
import type { JobNetwork } from '../settings/job-network.ts'
import { nothingListens, portScript } from './port-script.ts'
import type { StartedService } from './start-services.ts'

/**
 * - `up`: it is ready.
 * - `down`: it is not, after all the time that it had, or by its own word.
 * - `ended`: its container runs no more.
 * - `unknown`: there is nothing to see it by.
 */
export type Readiness =
  | { readonly state: 'up' }
  | { readonly state: 'down' | 'unknown'; readonly why: string }
  | { readonly state: 'ended'; readonly exitCode: number }

export interface ReadinessOptions {
  readonly waitMs: number
  readonly network: JobNetwork
  /** An image with `sh` and `sleep`, on the Engine: for services whose own image has none. */
  readonly helperImage: () => Promise<string>
  /** Of a container that is made to look. */
  readonly labels: StringMap
  readonly containerName: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** From one look at a service's health to the next. */
const healthPauseMs = 500
/** What a look may take longer than it is to wait. */
const marginMs = 10_000

/**
 * Waits until something listens on a port of the service, or, where it has none, until its own health check passes.
 * Thrown: `EngineError`, what `helperImage` throws, and the signal's reason.
 */
export async function awaitReadiness(
  engine: Engine,
  service: StartedService,
  options: ReadinessOptions,
): Promise<Readiness> {
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const given = { ...options, signal }
  const looks = [untilEnded(engine, service, given), lookByItsMeans(engine, service, given), untilLate(given)]
  try {
    const readiness = await Promise.race(looks)
    if (readiness.state !== 'unknown') return readiness
    return (await endOf(engine, service, signal)) ?? readiness
  } finally {
    stop.abort(new Error('the service is known to be up, or not'))
    // A container that was made to look is removed before.
    await Promise.allSettled(looks)
  }
}

/** Undefined: it runs. */
async function endOf(
  engine: Engine,
  { id, title }: StartedService,
  signal: AbortSignal,
): Promise<Readiness | undefined> {
  const { State: state } = await engine.call(`looking at service ${title}`, signal, (docker, abortSignal) =>
    docker.getContainer(id).inspect({ abortSignal }),
  )
  return state.Running ? undefined : { state: 'ended', exitCode: state.ExitCode }
}

async function lookByItsMeans(engine: Engine, service: StartedService, options: ReadinessOptions): Promise<Readiness> {
  if (service.ports.length > 0) return await byPorts(engine, service, options)
  if (service.hasHealthCheck) return await byHealth(engine, service, options)
  return { state: 'unknown', why: 'it exposes no port and has no health check' }
}

/** An Engine that is busy may be slower than the wait itself. */
async function untilLate({ waitMs, clock, signal }: ReadinessOptions): Promise<Readiness> {
  await delay(clock, waitMs + marginMs, signal)
  return { state: 'down', why: `the Engine does not say that it is up after ${(waitMs + marginMs) / 1000} s` }
}

async function untilEnded(
  engine: Engine,
  { id, title }: StartedService,
  { waitMs, signal }: ReadinessOptions,
): Promise<Readiness> {
  const { StatusCode: exitCode } = await engine.call(
    `waiting for service ${title}`,
    signal,
    (docker, abortSignal) => docker.getContainer(id).wait({ condition: 'not-running', abortSignal }),
    waitMs + 2 * marginMs,
  )
  return { state: 'ended', exitCode }
}

async function byPorts(engine: Engine, service: StartedService, options: ReadinessOptions): Promise<Readiness> {
  const { waitMs, network, clock } = options
  const began = clock.now()
  const countsLoopback = network.mode === 'host' || network.mode.startsWith('container:')
  const script = (): string => {
    const seconds = Math.max(1, Math.ceil((waitMs - (clock.now() - began)) / 1000))
    return portScript({ ports: service.ports, seconds, countsLoopback })
  }
  for (const look of [inItself, besideIt]) {
    // To start a container beside one that has ended, Podman starts that one again.
    const end = look === besideIt ? await endOf(engine, service, options.signal) : undefined
    if (end !== undefined) return end
    const exitCode = await look(engine, service, script(), options)
    if (exitCode === 0) return { state: 'up' }
    if (exitCode === nothingListens)
      return { state: 'down', why: `nothing listens on ${portList(service.ports)} after ${waitMs / 1000} s` }
  }
  return { state: 'unknown', why: 'neither its image nor the helper image has what it takes to look at its ports' }
}

function portList(ports: readonly number[]): string {
  return `port${ports.length > 1 ? 's' : ''} ${ports.join(', ')}`
}

/** The exit code of the script in the service's own container; undefined: it cannot be run there. */
async function inItself(
  engine: Engine,
  { id }: StartedService,
  script: string,
  { signal }: ReadinessOptions,
): Promise<number | undefined> {
  const ignore = (): void => {}
  try {
    const end = await execInContainer(engine, {
      container: id,
      command: ['sh', '-c', script],
      stdout: ignore,
      stderr: ignore,
      signal,
    })
    return 'exitCode' in end ? end.exitCode : undefined
  } catch (error) {
    // It has no shell, or has ended: the next look, or the wait for its end, tells.
    if (error instanceof EngineError && ['refused', 'failed', 'conflict', 'not_found'].includes(error.code))
      return undefined
    throw error
  }
}

/** The same in a container that shares the service's network. */
async function besideIt(
  engine: Engine,
  { id, title }: StartedService,
  script: string,
  { helperImage, labels, containerName: name, waitMs, signal }: ReadinessOptions,
): Promise<number | undefined> {
  const during = `looking whether service ${title} is up`
  const body = {
    Image: await helperImage(),
    Entrypoint: ['sh'],
    Cmd: ['-c', script],
    Labels: { ...labels },
    HostConfig: {
      NetworkMode: `container:${id}`,
      CapDrop: ['ALL'],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '64k' } },
      RestartPolicy: { Name: 'no' },
    },
  }
  const container = await createContainer(engine, during, { name, body }, signal)
  try {
    await engine.call(during, signal, (docker, abortSignal) => docker.getContainer(container).start({ abortSignal }))
    const { StatusCode: exitCode } = await engine.call(
      during,
      signal,
      (docker, abortSignal) => docker.getContainer(container).wait({ condition: 'not-running', abortSignal }),
      waitMs + marginMs,
    )
    return exitCode
  } catch (error) {
    if (error instanceof EngineError && ['refused', 'failed', 'conflict', 'not_found'].includes(error.code))
      return undefined
    throw error
  } finally {
    // What stays is removed with the job: it carries its labels.
    await engine
      .call(during, AbortSignal.timeout(marginMs), (docker, abortSignal) =>
        docker.getContainer(container).remove({ force: true, v: true, abortSignal }),
      )
      .catch(() => {})
  }
}

async function byHealth(engine: Engine, service: StartedService, options: ReadinessOptions): Promise<Readiness> {
  const { waitMs, clock, signal } = options
  const began = clock.now()
  for (;;) {
    const { State: state } = await engine.call(`looking at service ${service.title}`, signal, (docker, abortSignal) =>
      docker.getContainer(service.id).inspect({ abortSignal }),
    )
    const health = state.Health?.Status
    if (health === 'healthy') return { state: 'up' }
    if (health === 'unhealthy') return { state: 'down', why: 'its health check fails' }
    if (clock.now() - began >= waitMs)
      return { state: 'down', why: `its health check has not passed after ${waitMs / 1000} s` }
    await delay(clock, healthPauseMs, signal)
  }
}
