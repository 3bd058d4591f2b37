import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listProcesses } from '@runner-core/runner/testing'
import { killIfThere } from '../manager/managers.ts'
import type { OwnEngine } from './own-engine.ts'

/** Why Podman cannot be started here; undefined when it can. */
export function podmanMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'this process is not root on Linux'
  for (const program of ['podman', 'runc', 'catatonit'])
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed`
  // Services are found by their names through these.
  for (const program of ['netavark', 'aardvark-dns'])
    if (!existsSync(`/usr/lib/podman/${program}`)) return `${program} is not installed`
  return undefined
}

/**
 * Starts Podman's rootful service on a socket of its own, with containers and networks of its own, and images of the
 * Docker Engine that is there.
 */
export async function startPodman(images: readonly string[]): Promise<OwnEngine> {
  const directory = mkdtempSync(join(tmpdir(), 'runner-core-podman-'))
  const host = `unix://${directory}/podman.sock`
  const config = join(directory, 'containers.conf')
  writeFileSync(config, configuration(directory))
  const env = { ...process.env, CONTAINERS_CONF: config }
  const store = [`--root=${directory}/root`, `--runroot=${directory}/run`]
  const output = openSync(join(directory, 'log'), 'a')
  const service = spawn('podman', [...store, 'system', 'service', '--time=0', host], {
    env,
    stdio: ['ignore', output, output],
  })
  const ended = once(service, 'exit')
  const stop = async (): Promise<void> => {
    service.kill('SIGTERM')
    await ended
    // Its containers do not end with it, and their files are mounted.
    for (const words of [
      ['rm', '--all', '--force', '--time=0', '--volumes'],
      ['network', 'prune', '--force'],
    ])
      spawnSync('podman', [...store, ...words], { env, stdio: 'ignore' })
    // Those of commands that could not be started wait for ever.
    for (const { pid, commandLine } of listProcesses()) if (commandLine.includes(directory)) killIfThere(pid)
    spawnSync('umount', ['--recursive', `${directory}/root/overlay`], { stdio: 'ignore' })
    rmSync(directory, { recursive: true, force: true })
  }
  const archive = join(directory, 'images.tar')
  execFileSync('docker', ['save', '--output', archive, ...images])
  for (let tries = 0; spawnSync('docker', ['--host', host, 'version'], { stdio: 'ignore' }).status !== 0; tries++) {
    if (tries === 100 || service.exitCode !== null) {
      const log = readFileSync(join(directory, 'log'), 'utf8').slice(-2000)
      await stop()
      throw new Error(`podman did not start: ${log}`)
    }
    await sleep(200)
  }
  execFileSync('docker', ['--host', host, 'load', '--quiet', '--input', archive], { stdio: 'ignore' })
  rmSync(archive)
  return { host, [Symbol.asyncDispose]: stop }
}

/** runc and cgroupfs run under cgroup v1 too; limits are what this process itself has at most. */
function configuration(directory: string): string {
  const files = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }))
  const bound = Number.isNaN(files) ? 1_048_576 : files
  return `[containers]
default_ulimits = ["nofile=${bound}:${bound}", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
network_config_dir = "${directory}/networks"
`
}
