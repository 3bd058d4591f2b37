import { execFileSync } from 'node:child_process'
import { busyboxImage, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'

export const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' }).trim()

/** Makes an image of busybox with changes as in a Dockerfile, such as `EXPOSE 80`. */
export function makeImage(name: string, ...changes: readonly string[]): void {
  makeBusyboxImage()
  const id = docker('create', busyboxImage, 'true')
  docker('commit', ...changes.flatMap((change) => ['--change', change]), id, name)
  docker('rm', id)
}
