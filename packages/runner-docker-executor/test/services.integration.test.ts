import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import type { JobService } from '@runner-core/job'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { isPodman } from '@runner-core/testkit/containers/engine-kind'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ContainerContext } from '../src/containers/host-config.ts'
import { Engine } from '../src/engine/engine.ts'
import { closeNetwork, openNetwork } from '../src/services/open-network.ts'
import { portScript } from '../src/services/port-script.ts'
import { streamServiceLogs } from '../src/services/service-logs.ts'
import { planServices } from '../src/services/service-plan.ts'
import { type StartedService, serviceHosts, startServices } from '../src/services/start-services.ts'
import { waitForServices } from '../src/services/wait-for-services.ts'
import { watchServices } from '../src/services/watch-services.ts'
import type { DockerSettings } from '../src/settings/docker-settings.ts'
import type { JobNetwork } from '../src/settings/job-network.ts'
import { docker, makeImage } from './service-image.ts'

if (!hasEngine) console.warn('SKIPPED: services on an Engine: none answers')
else if (isPodman) {
  console.warn('SKIPPED: health checks of services: Podman runs them only where systemd does')
  console.warn('SKIPPED: lines of services while they run: Podman gives each part of a line a time of its own')
}

const never = new AbortController().signal
const prefix = `runner-core-services-${process.pid}`
const label = `runner-core.services-test=${process.pid}`
const labels = Object.fromEntries([label.split('=')]) as Record<string, string>
const serving = 'CMD ["sh", "-c", "echo hello > /index.html; echo serving; exec httpd -f -p 80 -h /"]'
const images = {
  web: `${prefix}/web:1`,
  slow: `${prefix}/slow:1`,
  silent: `${prefix}/silent:1`,
  local: `${prefix}/local:1`,
  ending: `${prefix}/ending:1`,
  portless: `${prefix}/portless:1`,
  healthy: `${prefix}/healthy:1`,
  bare: `${prefix}/bare:1`,
}

describe.skipIf(!hasEngine)('services on an Engine', () => {
  let engine: Engine
  beforeAll(async () => {
    makeBusyboxImage()
    makeImage(images.web, serving, 'EXPOSE 80')
    makeImage(images.slow, 'CMD ["sh", "-c", "echo waiting; sleep 1; exec httpd -f -p 443"]', 'EXPOSE 80', 'EXPOSE 443')
    makeImage(images.silent, 'CMD ["sh", "-c", "echo I do not listen; exec sleep 60"]', 'EXPOSE 5432')
    makeImage(images.local, 'CMD ["httpd", "-f", "-p", "127.0.0.1:80"]', 'EXPOSE 80')
    makeImage(images.ending, 'CMD ["sh", "-c", "echo no password given >&2; exit 3"]', 'EXPOSE 80')
    makeImage(images.portless, 'CMD ["sleep", "60"]')
    makeImage(
      images.healthy,
      'HEALTHCHECK --interval=1s CMD test -e /tmp/up',
      'CMD ["sh", "-c", "sleep 1; touch /tmp/up; exec sleep 60"]',
    )
    makeBareImage(images.bare)
    engine = await Engine.open({ dial: async () => connect(engineSocket()), clock: systemClock, signal: never })
  })
  const found = (...args: string[]): string[] =>
    docker(...args, '--filter', `label=${label}`)
      .split('\n')
      .filter(Boolean)
  afterEach(() => {
    for (const id of found('ps', '--all', '--quiet')) docker('rm', '--force', '--volumes', id)
    for (const id of found('network', 'ls', '--quiet')) docker('network', 'rm', id)
  })
  afterAll(() => {
    engine?.close()
    docker('rmi', ...Object.values(images))
  })

  const lines: string[] = []
  const report = {
    line: (text: string): void => void lines.push(text),
    warning: (text: string): void => void lines.push(`WARNING: ${text}`),
  }
  afterEach(() => void lines.splice(0))

  interface Run {
    readonly network: JobNetwork
    readonly services: readonly StartedService[]
    wait(waitMs?: number, helperImage?: string): Promise<void>
  }

  async function start(
    requested: readonly (Partial<JobService> & { readonly name: string })[],
    settings: Partial<DockerSettings> = {},
  ): Promise<Run> {
    const whole = { ...plainSettings, ...settings }
    const plan = planServices({
      settings: whole,
      requested: requested.map((each) => ({
        alias: '',
        entrypoint: [],
        command: [],
        variables: [],
        pull_policy: [],
        user: '',
        platform: '',
        ...each,
      })),
      expand: (text) => text,
      checkAllowed: () => {},
    })
    const demand = { settings: whole, hasServices: true, asksForOwn: false }
    const network = await openNetwork(engine, { ...demand, name: prefix, labels }, never)
    const context: ContainerContext = {
      settings: whole,
      apiVersion: engine.apiVersion,
      labels,
      network,
      binds: [],
      logBounds: { 'max-size': '1m' },
      expand: (text) => text,
      usesInit: false,
    }
    const services = await startServices(engine, {
      context,
      services: plan.services,
      image: async ({ image }) => ({ id: image }),
      environment: ({ variables }) => variables.map(({ key, value }) => `${key}=${value}`),
      containerName: ({ index }) => `${prefix}-service-${index}`,
      report,
      signal: never,
    })
    return {
      network,
      services,
      wait: (waitMs = 20_000, helperImage = busyboxImage) =>
        waitForServices(engine, {
          services,
          waitMs,
          network,
          helperImage: async () => helperImage,
          labels,
          containerName: ({ id }) => `${prefix}-look-${id.slice(0, 12)}`,
          report,
          clock: systemClock,
          signal: never,
        }),
    }
  }

  const inJob = ({ network, services }: Run, script: string): string =>
    docker(
      'run',
      '--rm',
      '--label',
      label,
      '--network',
      network.mode,
      ...serviceHosts(network, services).flatMap((host) => ['--add-host', host]),
      busyboxImage,
      'sh',
      '-c',
      script,
    )

  test('are reached by all their names in a network of the job, once they are up', async () => {
    const run = await start([
      { name: images.web, alias: 'web, site' },
      { name: images.web, alias: 'other', command: ['sh', '-c', 'echo other > /index.html; exec httpd -f -p 80 -h /'] },
    ])
    await run.wait()
    const names = [`${prefix}__web`, `${prefix}-web`, 'web', 'site', 'other']
    expect(inJob(run, names.map((name) => `wget -qO- http://${name}/index.html`).join('\n'))).toBe(
      'hello\nhello\nhello\nhello\nother',
    )
    expect(lines.filter((line) => line.startsWith('WARNING'))).toEqual([])
    expect(found('ps', '--all', '--quiet')).toHaveLength(2)
    for (const { id } of run.services) docker('rm', '--force', id)
    await closeNetwork(engine, run.network, never)
    await closeNetwork(engine, run.network, never)
    expect(found('network', 'ls', '--quiet')).toEqual([])
  })

  test.each(['bridge', 'host'])('are reached by their names in the network %s too', async (networkMode) => {
    const script = 'echo hello > /index.html; exec httpd -f -p 8099 -h /'
    const run = await start(
      [{ name: images.web, alias: 'web', command: ['sh', '-c', script], variables: [portVariable] }],
      {
        networkMode,
      },
    )
    await run.wait()
    expect(lines.filter((line) => line.startsWith('WARNING'))).toEqual([])
    expect(inJob(run, 'wget -qO- http://web:8099/index.html')).toBe('hello')
  })

  test('get variables, user and limits, and one that does not start fails by name', async () => {
    const { services } = await start([{ name: images.portless, user: '77', variables: [portVariable] }], {
      serviceMemoryBytes: 32 * 1024 * 1024,
      servicesTmpfs: { '/db': '' },
    })
    const { Config, HostConfig } = await engine.docker.getContainer(services[0]!.id).inspect()
    expect(Config).toMatchObject({ User: '77', Env: expect.arrayContaining(['HEALTHCHECK_TCP_PORT=8099']) })
    expect(HostConfig).toMatchObject({ Memory: 33_554_432, Tmpfs: { '/db': expect.any(String) } })
    docker('rm', '--force', services[0]!.id)
    docker('network', 'rm', prefix)
    await expect(
      start([{ name: images.portless, command: ['/no/such/program'] }, { name: images.web }]),
    ).rejects.toThrow(new RegExp(`^starting service ${prefix}/portless:1: .*no/such/program`))
  })

  test('that take their time are waited for, by any of their ports', async () => {
    const run = await start([{ name: images.slow }])
    await run.wait()
    expect(lines).toEqual([
      `Starting service ${prefix}/slow:1...`,
      'Waiting for services to be up and running (timeout 20 seconds)...',
    ])
    expect(inJob(run, `nc -w 1 ${prefix}-slow 443 < /dev/null; echo $?`)).toBe('0')
  })

  test.each([
    ['silent', 'nothing listens on port 5432 after 1 s', 'I do not listen'],
    ['local', 'nothing listens on port 80 after 1 s', undefined],
    ['ending', 'it ended with exit code 3', 'no password given'],
  ] as const)('that do not come up are told with their logs: %s', async (name, why, log) => {
    const run = await start([{ name: images[name] }])
    await run.wait(name === 'ending' ? 30_000 : 1000)
    const [warning, title, ...logs] = lines.slice(2)
    expect(warning).toBe(`WARNING: Service ${prefix}/${name}:1 probably didn't start properly: ${why}.`)
    if (log === undefined) expect(title).toBe(`Service ${prefix}/${name}:1 printed nothing.`)
    else
      expect([title, ...logs]).toEqual([
        `Logs of service ${prefix}/${name}:1:`,
        expect.stringMatching(`^20.*Z ${log}$`),
      ])
  })

  test('without a shell are looked at from a container beside them, which does not stay', async () => {
    const run = await start([{ name: images.bare }])
    await run.wait()
    expect(lines.slice(2)).toEqual([])
    expect(found('ps', '--all', '--quiet')).toHaveLength(1)
    await run.wait(20_000, images.bare)
    expect(lines.slice(3)).toEqual([
      `Not waiting for service ${prefix}/bare:1: neither its image nor the helper image has what it takes to look at its ports.`,
    ])
    expect(found('ps', '--all', '--quiet')).toHaveLength(1)
  })

  test('that end while they are looked at from beside are waited for no longer', async () => {
    const closed = { ...portVariable, value: '81' }
    const run = await start([{ name: images.bare, variables: [closed] }])
    const waiting = run.wait(50_000)
    await expect.poll(() => found('ps', '--quiet').length, { timeout: 20_000 }).toBe(2)
    docker('kill', run.services[0]!.id)
    await waiting
    expect(lines[2]).toBe(
      `WARNING: Service ${prefix}/bare:1 probably didn't start properly: it ended with exit code 137.`,
    )
  })

  test.skipIf(isPodman)('without ports are waited for by their health check, and without one not at all', async () => {
    const run = await start([{ name: images.healthy }, { name: images.portless }])
    await run.wait()
    expect(lines.slice(3)).toEqual([
      `Not waiting for service ${prefix}/portless:1: it exposes no port and has no health check.`,
    ])
    const [healthy] = run.services
    expect(docker('inspect', '--format', '{{.State.Health.Status}}', healthy!.id)).toBe('healthy')
  })

  test('are not waited for where the time is 0', async () => {
    const run = await start([{ name: images.silent }])
    await run.wait(0)
    expect(lines).toHaveLength(1)
  })

  test.skipIf(isPodman)('show what they print while the job runs, line by line', async () => {
    const { services } = await start([
      {
        name: images.portless,
        alias: 'p',
        command: ['sh', '-c', 'printf "one\\ntw"; sleep 0.3; printf "o\\n"; sleep 0.3; echo three >&2'],
      },
    ])
    await streamServiceLogs(engine, services[0]!, { report, signal: never })
    expect(lines.slice(1).map((line) => line.replace(/20\S+Z /, ''))).toEqual(
      ['one', 'two', 'three'].map((text) => `[service:${prefix}__portless-${prefix}-portless-p] ${text}`),
    )
  })

  test('that end while the job runs are told, each once, and a watch that begins late tells too', async () => {
    const run = await start([{ name: images.web }, { name: images.portless }])
    const told = new Set<string>()
    const stop = new AbortController()
    const watch = (): Promise<void> =>
      watchServices(engine, { services: run.services, told, report, signal: stop.signal })
    const watching = watch()
    docker('kill', run.services[0]!.id)
    await expect
      .poll(() => lines.slice(2))
      .toEqual([`WARNING: Service ${prefix}/web:1 exited during the job: exit code 137.`])
    stop.abort()
    await watching
    docker('kill', run.services[1]!.id)
    await watchServices(engine, { services: run.services, told, report, signal: never })
    expect(lines.slice(3)).toEqual([`WARNING: Service ${prefix}/portless:1 exited during the job: exit code 137.`])
    await watchServices(engine, { services: run.services, told, report, signal: never })
    expect(lines).toHaveLength(4)
  })
})

const portVariable = {
  key: 'HEALTHCHECK_TCP_PORT',
  value: '8099',
  public: true,
  file: false,
  masked: false,
  raw: false,
}

/** An image of one program that listens, and nothing else. */
function makeBareImage(name: string): void {
  const root = mkdtempSync(join(tmpdir(), 'runner-core-bare-'))
  try {
    mkdirSync(join(root, 'bin'))
    copyFileSync('/bin/busybox', join(root, 'bin/httpd'))
    const archive = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 })
    const changes = ['EXPOSE 80', 'CMD ["/bin/httpd", "-f", "-p", "80"]'].flatMap((change) => ['--change', change])
    execFileSync('docker', ['import', ...changes, '-', name], { input: archive })
  } finally {
    rmSync(root, { recursive: true })
  }
}

describe.each(['sh', 'bash', 'dash'])('the script that looks for a listener, in %s', (shell) => {
  const look = (port: number, countsLoopback: boolean): Promise<number | null> =>
    new Promise((resolve) =>
      spawn(shell, ['-c', portScript({ ports: [port], seconds: 1, countsLoopback })]).on('close', resolve),
    )

  test.each(['127.0.0.1', '::1', '0.0.0.0', '::'])('sees who listens at %s', async (host) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const { port } = server.address() as AddressInfo
    const isLocal = ['127.0.0.1', '::1'].includes(host)
    expect(await look(port, true)).toBe(0)
    expect(await look(port, false)).toBe(isLocal ? 9 : 0)
    await new Promise((resolve) => server.close(resolve))
    expect(await look(port, true)).toBe(9)
  })
})
