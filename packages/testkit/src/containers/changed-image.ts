import { execFileSync } from 'node:child_process'
import { busyboxImage, makeBusyboxImage } from './busybox-image.ts'
import { isPodman } from './engine-kind.ts'

/** Makes an image of busybox with changes as in a Dockerfile, such as `EXPOSE 80`. */
export function makeChangedImage(name: string, ...changes: readonly string[]): void {
  // Podman does not understand the request for a commit, and a build takes Docker longer.
  if (isPodman) {
    buildChangedImage(name, ...changes)
    return
  }
  makeBusyboxImage()
  const id = docker(['create', busyboxImage, 'true'])
  docker(['commit', ...changes.flatMap((change) => ['--change', change]), id, name])
  docker(['rm', id])
}

/** The same with `RUN` among the changes, and slower. */
export function buildChangedImage(name: string, ...changes: readonly string[]): void {
  makeBusyboxImage()
  docker(['build', '--quiet', '--tag', name, '-'], [`FROM ${busyboxImage}`, ...changes, ''].join('\n'))
}

function docker(args: readonly string[], input = ''): string {
  // The builder of old is everywhere.
  const env = { ...process.env, DOCKER_BUILDKIT: '0' }
  return execFileSync('docker', args, { encoding: 'utf8', input, env, stdio: ['pipe', 'pipe', 'pipe'] }).trim()
}
