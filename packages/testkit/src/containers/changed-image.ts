import { execFileSync } from 'node:child_process'
import { busyboxImage, makeBusyboxImage } from './busybox-image.ts'

/** Makes an image of busybox with changes as in a Dockerfile, such as `EXPOSE 80`. */
export function makeChangedImage(name: string, ...changes: readonly string[]): void {
  const docker = (...args: readonly string[]): string => execFileSync('docker', args, { encoding: 'utf8' }).trim()
  makeBusyboxImage()
  const id = docker('create', busyboxImage, 'true')
  docker('commit', ...changes.flatMap((change) => ['--change', change]), id, name)
  docker('rm', id)
}
