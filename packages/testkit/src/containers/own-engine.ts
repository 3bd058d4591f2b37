import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A dockerd of a test alone. */
export interface OwnEngine extends AsyncDisposable {
  /** As in `DOCKER_HOST`. */
  readonly host: string
}

const trimmingRunc = fileURLToPath(new URL('build-images/runc-without-sys-resource.sh', import.meta.url))

/** Why no dockerd can be started here; undefined when one can. */
export function ownEngineMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'this process is not root on Linux'
  for (const program of ['dockerd', 'runc', 'unshare', 'ip'])
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed`
  return undefined
}

/**
 * Starts a dockerd in a network of its own, where its rules touch those of no other, with images of the Engine that is
 * there. Privileged containers run in it where the machine lets its root have what they need.
 */
export async function startOwnEngine(images: readonly string[]): Promise<OwnEngine> {
  const directory = mkdtempSync(join(tmpdir(), 'runner-core-engine-'))
  const host = `unix://${directory}/docker.sock`
  const log = join(directory, 'log')
  const args = [`--data-root=${directory}/data`, `--exec-root=${directory}/exec`, `--pidfile=${directory}/pid`]
  args.push(
    `--host=${host}`,
    ...(hasSysResource() ? [] : [`--add-runtime=trim=${trimmingRunc}`, '--default-runtime=trim']),
  )
  const script = 'ip link set lo up && exec dockerd "$@"'
  const output = openSync(log, 'a')
  const daemon = spawn('unshare', ['--net', '--mount', 'sh', '-c', script, 'sh', ...args], {
    stdio: ['ignore', output, output],
  })
  const ended = once(daemon, 'exit')
  const stop = async (): Promise<void> => {
    daemon.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const docker = (...words: string[]): string[] => ['--host', host, ...words]
    for (let tries = 0; spawnSync('docker', docker('version'), { stdio: 'ignore' }).status !== 0; tries++) {
      if (tries === 100 || daemon.exitCode !== null) throw new Error(`dockerd did not start: ${tail(log)}`)
      await sleep(200)
    }
    const archive = join(directory, 'images.tar')
    execFileSync('docker', ['save', '--output', archive, ...images])
    execFileSync('docker', docker('load', '--quiet', '--input', archive), { stdio: 'ignore' })
    rmSync(archive)
    return { host, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function hasSysResource(): boolean {
  const file = '/proc/self/status'
  const [, bounds = '0'] = (existsSync(file) ? readFileSync(file, 'utf8') : '').match(/^CapBnd:\s*(\w+)$/m) ?? []
  return ((BigInt(`0x${bounds}`) >> 24n) & 1n) === 1n
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').slice(-2000)
}
