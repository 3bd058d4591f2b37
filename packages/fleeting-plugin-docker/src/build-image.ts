import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../scripts/mk-sshd-image.sh', import.meta.url))

export interface BuildImageOptions {
  /** Default `runner-core-sshd`. */
  readonly image?: string
  /** More Debian packages, for example `git` and `ca-certificates`. */
  readonly packages?: readonly string[]
}

/**
 * Makes the instance image on a Debian or Ubuntu machine by `scripts/mk-sshd-image.sh`, without pulling anything; takes
 * a few seconds. Thrown: an `Error` with what the script complained of.
 */
export function buildImage({ image = 'runner-core-sshd', packages = [] }: BuildImageOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', [script], {
      env: { ...process.env, TAG: image, EXTRA: packages.join(' ') },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`the image ${image} could not be built: ${complaints.trim()}`)),
    )
  })
}
