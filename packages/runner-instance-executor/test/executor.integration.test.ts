import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { createInstanceGroup as createStaticGroup } from '@runner-core/fleeting-plugin-static'
import { JobError, Trace } from '@runner-core/job'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { processesWith, uniqueSleep } from '@runner-core/testkit/machine/running-processes'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { ExecutorFleet, type FleetOptions } from './executor-fleet.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: the instance executor against OpenSSH: ${missing}`)

let sshd: Sshd | undefined
beforeAll(async () => {
  if (missing === undefined) sshd = await startSshd()
})
afterAll(() => sshd?.stop())

const local = (): FleetOptions => ({
  createInstanceGroup: createLocalGroup,
  pluginConfig: (directory) => ({ root_dir: directory, shell: '/bin/bash' }),
})
/** Two hosts that are the same server. */
const openssh = (): FleetOptions => {
  const host = { internal_addr: `127.0.0.1:${sshd!.port}`, host_key: sshd!.hostKey }
  return {
    createInstanceGroup: createStaticGroup,
    pluginConfig: () => ({ instances: { a: host, b: host } }),
    connector: { username: sshd!.username, privateKey: sshd!.privateKey },
  }
}

let fleet: ExecutorFleet
let sleeps: string[]
beforeEach(() => {
  sleeps = []
})
afterEach(async () => {
  await fleet[Symbol.asyncDispose]()
  for (const pid of sleeps.flatMap(processesWith)) process.kill(pid, 'SIGKILL')
})

/** A command that can be found again. */
function sleep(): string {
  const id = uniqueSleep()
  sleeps.push(id)
  return `sleep ${id}`
}

async function readAll(log: Trace): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let offset = 0; offset < log.size; offset += pieces.at(-1)!.length)
    pieces.push(Buffer.from(await log.read(offset, 1_000_000)))
  return Buffer.concat(pieces)
}

const machines = [
  { name: 'the plugin local', optionsOf: local },
  ...(missing === undefined ? [{ name: 'OpenSSH', optionsOf: openssh }] : []),
]

describe.each(machines)('on machines of $name', ({ optionsOf }) => {
  const start = async (options: Partial<FleetOptions> = {}): Promise<void> => {
    fleet = await ExecutorFleet.start({ ...optionsOf(), ...options })
  }

  test('a job runs, and the next one finds its slot, its directory and its connection', async () => {
    await start({ maxInstances: 1 })
    const first = await fleet.run(payload({ script: ['echo out; echo err >&2', 'echo once >left'] }))
    expect(first.outcome).toEqual({ state: 'success' })
    expect(first.trace).toContain('\nout\nerr\n')
    const second = await fleet.run(payload({ script: ['cat left', 'exit 5'] }))
    expect(second.outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 5 })
    expect(second.trace).toContain('\nonce\n')
    expect(second.environment!.description).toBe(first.environment!.description)
    expect(fleet.dials).toBe(1)
  })

  test('what is left holding the output holds no job up, cuts nothing off, and is ended', async () => {
    await start()
    const [detached, plain] = [sleep(), sleep()]
    const script = [`setsid ${detached} & ${plain} &`, 'head -c 3000000 /dev/zero | tr "\\0" x; echo end']
    const { outcome, trace } = await fleet.run(payload({ script }))
    expect(outcome).toEqual({ state: 'success' })
    expect(/x+/.exec(trace.slice(trace.indexOf('xxxx')))![0]).toHaveLength(3_000_000)
    expect(trace).toContain('xend\n')
    expect(sleeps.flatMap(processesWith)).toEqual([])
    // Was proven clean: the next job may have the machine.
    expect((await fleet.run(payload())).environment!.description).toMatch(/slot 0$/)
    expect(fleet.dials).toBe(1)
  })

  test('one line of 30 MB is printed as it is, without what is masked in it, and holds nothing up', async () => {
    await start()
    const secret = variable('SECRET', 'a-secret-in-a-long-line', { masked: true })
    const fifteen = 'head -c 15000000 /dev/zero | tr "\\0" x'
    const log = new Trace({ secrets: [secret.value], limitBytes: 40_000_000 })
    onTestFinished(() => log.close())
    const script = [`${fifteen}; printf %s "$SECRET"; ${fifteen}; echo end`]
    expect((await fleet.run(payload({ variables: [secret], script }), { log })).outcome).toEqual({ state: 'success' })
    log.end()
    const text = (await readAll(log)).toString()
    const line = text.split('\n').find((candidate) => candidate.endsWith('xend'))!
    expect(line).toHaveLength(30_000_000 + '[MASKED]'.length + 'end'.length)
    expect(line.replaceAll(/x{2,}/g, 'x')).toBe('x[MASKED]xend')
    expect(text).not.toContain(secret.value)
    // The same connection serves the next one.
    expect((await fleet.run(payload())).outcome).toEqual({ state: 'success' })
    expect(fleet.dials).toBe(1)
  })

  test('a connection that is cut under a script: a system failure at once, never an exit code; another machine serves the next job', async () => {
    await start()
    const script = [`echo going on; ${sleep()}`]
    const lost = await fleet.run(payload({ script, afterScript: ['echo after'] }), {
      onOutput: (trace) => trace.includes('\ngoing on\n') && fleet.cut(),
    })
    expect(lost.outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_lost' })
    expect(lost.outcome).not.toHaveProperty('exitCode')
    expect(lost.trace).toMatch(
      /ERROR: Job failed \(system failure\): instance \S+, slot 0 was lost: SSH connection lost: .+\n$/,
    )
    expect(lost.trace).not.toContain('\nafter\n')
    const next = await fleet.run(payload())
    expect(next.outcome).toEqual({ state: 'success' })
    expect(next.environment!.description).not.toBe(lost.environment!.description)
  })

  test('what a job that was lost left running is ended before its machine is given back', async () => {
    await start({ maxInstances: 1 })
    const script = [`setsid ${sleep()} & trap '' HUP TERM; echo going on; ${sleep()}; ${sleep()}`]
    const lost = await fleet.run(payload({ script }), {
      onOutput: (trace) => trace.includes('\ngoing on\n') && fleet.cut(),
    })
    expect(lost.outcome).toMatchObject({ state: 'failed', code: 'environment_lost' })
    const alive: string[][] = []
    const next = await fleet.run(payload(), { onPlace: () => alive.push(sleeps.flatMap(processesWith).map(String)) })
    expect(next.outcome).toEqual({ state: 'success' })
    expect(alive).toEqual([[]])
    expect(next.environment!.concurrentId).toBe(lost.environment!.concurrentId)
  })

  test('a kept connection that just died does not fail the job that finds it', async () => {
    await start({ maxInstances: 1 })
    await fleet.run(payload())
    fleet.cut()
    expect((await fleet.run(payload())).outcome).toEqual({ state: 'success' })
    expect(fleet.dials).toBe(2)
  })

  test('a job that is stopped leaves no process, however it hid it, and its machine serves the next one', async () => {
    await start({ maxInstances: 1 })
    const stop = new AbortController()
    const script = [
      `setsid ${sleep()} & (setsid sh -c '${sleep()} & wait' &) ; nohup ${sleep()} & trap '' TERM`,
      `echo hidden; ${sleep()}`,
    ]
    const stopped = await fleet.run(payload({ script }), {
      abort: stop.signal,
      onOutput: (trace) =>
        trace.includes('\nhidden\n') && stop.abort(new JobError('canceled', 'job_canceled', 'canceled')),
    })
    expect(stopped.outcome).toMatchObject({ state: 'failed', reason: 'job_canceled', code: 'canceled' })
    expect(sleeps).toHaveLength(4)
    expect(sleeps.flatMap(processesWith)).toEqual([])
    const next = await fleet.run(payload())
    expect(next.outcome).toEqual({ state: 'success' })
    expect(next.environment!.description).toBe(stopped.environment!.description)
    expect(fleet.dials).toBe(1)
  })

  test('20 jobs at once over 2 slots: each in a directory that no other one uses at the time', async () => {
    await start({ maxInstances: 1, capacityPerInstance: 2 })
    const running = new Set<number>()
    const seen = new Set<number>()
    // Fails when another job is in the directory.
    const script = ['mkdir "$CI_PROJECT_DIR/lock"', 'sleep 0.05', 'rmdir "$CI_PROJECT_DIR/lock"']
    const jobs = Array.from({ length: 20 }, () =>
      fleet.run(payload({ script }), {
        onPlace: ({ concurrentId }) => {
          expect(running).not.toContain(concurrentId)
          running.add(concurrentId)
          seen.add(concurrentId)
        },
        onRelease: ({ concurrentId }) => void running.delete(concurrentId),
      }),
    )
    const results = await Promise.all(jobs)
    expect(results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 20 }, () => ({ state: 'success' })))
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1])
    expect(fleet.scaler.status().tasks).toMatchObject({ acquired: 0 })
  })
})

test.skipIf(missing !== undefined)(
  'a machine that hangs under a script, its connections open: a system failure by the keep-alive',
  async () => {
    const options = openssh()
    fleet = await ExecutorFleet.start({ ...options, connector: { ...options.connector, keepaliveMs: 200 } })
    let hung: number[] = []
    const lost = await fleet.run(payload({ script: [`echo going on; ${sleep()}`] }), {
      onOutput: (trace) => {
        if (hung.length > 0 || !trace.includes('\ngoing on\n')) return
        hung = sshd!.connectionPids()
        for (const pid of hung) process.kill(pid, 'SIGSTOP')
      },
    })
    for (const pid of hung) process.kill(pid, 'SIGKILL')
    expect(lost.outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_lost' })
    expect(lost.trace).toMatch(/was lost: SSH connection lost: no answer to 3 keep-alive requests within 0\.6 s\n$/)
    const next = await fleet.run(payload())
    expect(next.outcome).toEqual({ state: 'success' })
    expect(next.environment!.description).not.toBe(lost.environment!.description)
  },
)

describe('a machine that accepts connections and never speaks SSH', () => {
  let mute: Server
  let port: number
  const open = new Set<Socket>()
  beforeEach(async () => {
    mute = createServer((socket) => {
      open.add(
        socket
          .on('error', () => {})
          .on('close', () => open.delete(socket))
          .resume(),
      )
    })
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    port = (mute.address() as AddressInfo).port
  })
  afterEach(() => {
    for (const socket of open) socket.destroy()
    mute.close()
  })

  test('from the beginning on: the job fails within its budget as a system failure, the machine is given up, and nothing is left', async () => {
    const { privateKey } = await newKeyPair()
    fleet = await ExecutorFleet.start({
      createInstanceGroup: createStaticGroup,
      pluginConfig: () => ({ instances: { mute: { internal_addr: `127.0.0.1:${port}` } } }),
      connector: { username: 'ci', privateKey, timeoutMs: 400 },
      maxInstances: 1,
      executor: { acquireTimeoutMs: 1500 },
    })
    const failed = await fleet.run(payload({ script: ['echo ran'] }))
    expect(failed.outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(failed.outcome).not.toHaveProperty('exitCode')
    expect(failed.trace).toMatch(/ERROR: Job failed \(system failure\): no slot for the job within 1\.5s: .+\n$/)
    expect(failed.trace).not.toContain('ran')
    expect(fleet.dials).toBeGreaterThan(0)
    expect(fleet.scaler.counters.scale.down).toBeGreaterThan(0)
    await fleet.scaler.shutdown({ removeInstances: true, timeoutMs: 10_000 })
    await expect.poll(() => open.size).toBe(0)
  })

  test('after it was proven ready: the job takes another one within its connect timeout, and nobody gets the mute one', async () => {
    fleet = await ExecutorFleet.start({
      ...local(),
      connector: { timeoutMs: 600_000 },
      executor: { connectTimeoutMs: 300 },
    })
    const first = await fleet.run(payload())
    const [socket] = fleet.sockets
    fleet.detours.set((socket as Socket).remotePort!, port)
    fleet.cut()
    await expect.poll(() => fleet.sockets.size).toBe(0)
    const second = await fleet.run(payload({ script: ['echo ran'] }))
    expect(second.outcome).toEqual({ state: 'success' })
    const given = second.trace.split('\n').filter((line) => line.includes('cannot be used'))
    expect(given).toEqual([
      expect.stringMatching(
        /^Instance (\S+) cannot be used: instance \1: no connection within 0\.3 s\. Moving to another one\.$/,
      ),
    ])
    expect(second.environment!.description).not.toBe(first.environment!.description)
    const unhealthy = [...fleet.provisioner.instances().values()].filter(({ healthy }) => !healthy)
    expect(unhealthy.map(({ id, failing }) => [`instance ${id}, slot 0`, failing])).toEqual([
      [first.environment!.description, expect.stringContaining('no connection within 0.3 s')],
    ])
    expect((await fleet.run(payload())).environment!.description).toBe(second.environment!.description)
  })
})

test('a machine that cannot be dialled any more: the job takes another one, and says so', async () => {
  fleet = await ExecutorFleet.start(local())
  const ports = new Set<number>()
  const first = await fleet.run(payload(), {
    onPlace: () => {
      for (const socket of fleet.sockets) ports.add((socket as unknown as { readonly remotePort: number }).remotePort)
    },
  })
  for (const port of ports) fleet.deadPorts.add(port)
  fleet.cut()
  await expect.poll(() => fleet.sockets.size).toBe(0)
  const second = await fleet.run(payload({ script: ['echo ran'] }))
  expect(second.outcome).toEqual({ state: 'success' })
  expect(second.environment!.description).not.toBe(first.environment!.description)
  expect(second.trace).toMatch(/\nInstance \S+ cannot be used: .+\. Moving to another one\.\n/)
})
