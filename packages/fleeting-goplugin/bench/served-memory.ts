import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { delay, silentLogger, systemClock } from '@runner-core/fleeting'
import { cloudNames, startCloud } from '@runner-core/testkit/clouds/cloud-under-bench'
import { PluginSession, type SessionOptions } from '../src/host/plugin-session.ts'
import { wireConnectorConfig } from '../src/wire/connector-config.ts'

const never = new AbortController().signal
const image = 'runner-core-sshd'

/**
 * Resident memory of our plugins under this host, MB, by name; each at its second start in a checkout, which finds what
 * the first has compiled. Without `docker` where there is no daemon that has its image. Linux only.
 */
export async function servedMemories(): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {}
  for (let time = 0; time < 2; time += 1) {
    found['local'] = await servedMemory('local')
    found['static'] = await servedMemory('static', {
      instances: { only: { internal_addr: '127.0.0.1', username: 'me', password: 'none' } },
    })
    if (hasImage()) found['docker'] = await servedMemory('docker')
    for (const name of cloudNames) {
      await using cloud = await startCloud[name]({ clock: systemClock, maxSize: 10 })
      found[name] = await servedMemory(name, cloud.pluginConfig, cloud.env)
    }
  }
  return found
}

/**
 * As a host goes about it: the list, a machine, lists until it runs, how to reach it. By then all that the plugin uses
 * is loaded.
 */
async function servedMemory(name: string, config: object = {}, environment: NodeJS.ProcessEnv = {}): Promise<number> {
  const options: SessionOptions = {
    file: fileURLToPath(new URL(`../../fleeting-plugin-${name}/bin/fleeting-plugin-${name}.js`, import.meta.url)),
    environment: { ...process.env, ...environment },
    tls: 'offer',
    startTimeoutMs: 60_000,
    callTimeoutMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
  }
  const request = {
    config: Buffer.from(JSON.stringify(config)),
    settings: { connectorConfig: wireConnectorConfig({}) },
  }
  const session = await PluginSession.start(options, request, never)
  const { client } = session
  await client.update(never)
  await client.call('Increase', { n: 1 }, never)
  let running: string | undefined
  while (running === undefined) {
    await delay(systemClock, 500)
    running = (await client.update(never)).find(({ state }) => state === 1)?.instance
  }
  // Some fakes know no keys: the SDK that would push one is loaded all the same.
  await client.call('ConnectInfo', { instance: running }, never).catch(() => {})
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${session.pid}/status`, 'utf8')) ?? []
  await client.call('Decrease', { instances: [running] }, never)
  await session.end(60_000)
  return (Number(kilobytes) * 1024) / 1e6
}

function hasImage(): boolean {
  try {
    execFileSync('docker', ['image', 'inspect', image], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
