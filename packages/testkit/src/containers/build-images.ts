import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildImage } from '@runner-core/fleeting-plugin-docker'

/** Docker's client, with the tools of busybox. Named so that the patterns of our examples match. */
export const clientImage = 'docker:debian-cli'
/** A dockerd that listens with TLS, as the official image of that name. */
export const daemonImage = 'docker:debian-dind'

const context = fileURLToPath(new URL('build-images', import.meta.url))

/** Makes both from Debian's packages, unless they are there. */
export async function makeBuildImages(): Promise<void> {
  const names = [clientImage, daemonImage]
  if (spawnSync('docker', ['image', 'inspect', ...names], { stdio: 'ignore' }).status === 0) return
  await buildImage({ image: 'runner-core-engine', packages: ['docker.io', 'iptables', 'openssl'] })
  for (const name of names) {
    // The newer builder is a program of its own, which may not be there.
    const env = { ...process.env, DOCKER_BUILDKIT: '0' }
    const target = name.slice(name.lastIndexOf('-') + 1)
    execFileSync('docker', ['build', '--quiet', '--target', target, '--tag', name, context], { env, stdio: 'pipe' })
  }
}
