import { spawnSync } from 'node:child_process'
import { buildImage } from '@runner-core/fleeting-plugin-docker'

/** bash, git, tar and the tools of busybox. */
export const helperImage = 'runner-core-sshd-git'

/** Makes the image from Debian's packages, unless it is there. */
export async function makeHelperImage(): Promise<void> {
  if (spawnSync('docker', ['image', 'inspect', helperImage], { stdio: 'ignore' }).status === 0) return
  await buildImage({ image: helperImage, packages: ['git', 'ca-certificates'] })
}
