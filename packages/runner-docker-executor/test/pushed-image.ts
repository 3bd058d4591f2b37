import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Docker's client with a configuration of its own, and with a login in it where one is given. */
export class DockerClient implements Disposable {
  readonly #config = mkdtempSync(join(tmpdir(), 'docker-client-'))

  run(args: readonly string[], input?: string | Buffer): string {
    const output = execFileSync('docker', ['--config', this.#config, ...args], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    return output.toString().trim()
  }

  logIn(host: string, { username, password }: { readonly username: string; readonly password: string }): void {
    this.run(['login', '--username', username, '--password-stdin', host], password)
  }

  /** Pushes an image of one file of so many bytes, and leaves none of it on the Engine. Returns its digest. */
  push(name: string, { bytes = 1000 }: { readonly bytes?: number } = {}): string {
    const root = mkdtempSync(join(tmpdir(), 'pushed-image-'))
    try {
      mkdirSync(join(root, 'etc'))
      writeFileSync(join(root, 'etc/random'), randomBytes(bytes))
      const archive = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: bytes + 1_000_000 })
      this.run(['import', '-', name], archive)
      this.run(['push', '--quiet', name])
      const digest = this.run(['image', 'inspect', '--format', '{{index .RepoDigests 0}}', name])
      this.forget(name)
      return digest.slice(digest.indexOf('@') + 1)
    } finally {
      rmSync(root, { recursive: true })
    }
  }

  /** Removes an image from the Engine, under all its names. */
  forget(name: string): void {
    try {
      this.run(['image', 'rm', '--force', this.run(['image', 'inspect', '--format', '{{.Id}}', name])])
    } catch {
      // It is not there.
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#config, { recursive: true, force: true })
  }
}
