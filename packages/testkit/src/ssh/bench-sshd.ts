import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/** A stock OpenSSH server on 127.0.0.1 that one user may log in to with one key. */
export interface BenchSshd extends AsyncDisposable {
  readonly port: number
  readonly username: string
  readonly keyFile: string
  /** As in `authorized_keys`. */
  readonly hostKey: string
}

/** Users made by this file are called so, and after the process that made them. */
const userPrefix = 'runner-core-'

/** Where sshd is, if it is installed. */
export function findSshd(): string | undefined {
  return ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd', '/opt/homebrew/sbin/sshd'].find((path) =>
    existsSync(path),
  )
}

/**
 * Starts sshd for a login without shell start-up files, since those are what one would measure. As root that is a user
 * made for the purpose and removed afterwards; otherwise one's own login with another home directory. `MaxStartups` and
 * `MaxSessions` are stock. `folder` must be readable for that user.
 */
export async function startSshd(sshd: string, folder: string): Promise<BenchSshd> {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0
  const username = isRoot ? `${userPrefix}${process.pid}` : userInfo().username
  const home = join(folder, 'home')
  mkdirSync(home)
  for (const key of ['host_key', 'user_key'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)])
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(join(folder, 'user_key.pub')), { mode: 0o644 })
  if (isRoot) {
    mkdirSync('/run/sshd', { recursive: true }) // where sshd separates its privileges
    removeAbandonedUsers()
    execFileSync('useradd', [
      '--home-dir',
      home,
      '--no-create-home',
      '--shell',
      '/bin/bash',
      '--password',
      '*',
      username,
    ])
    execFileSync('chown', [username, home])
  }
  const port = await freePort()
  const config = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${join(folder, 'host_key')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'PidFile none',
    'LogLevel FATAL',
    ...(isRoot ? [] : [`SetEnv HOME=${home}`]),
  ]
  writeFileSync(join(folder, 'sshd_config'), `${config.join('\n')}\n`)
  const server = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const stop = async (): Promise<void> => {
    await end(server)
    if (isRoot) removeUser(username)
  }
  try {
    await untilListening(port, server)
  } catch (error) {
    await stop()
    throw error
  }
  const hostKey = readFileSync(join(folder, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
  return { port, username, keyFile: join(folder, 'user_key'), hostKey, [Symbol.asyncDispose]: stop }
}

/** Those whose process was killed before it could remove them. */
function removeAbandonedUsers(): void {
  for (const [, username = '', pid] of readFileSync('/etc/passwd', 'utf8').matchAll(
    new RegExp(`^(${userPrefix}(\\d+)):`, 'gm'),
  )) {
    if (!existsSync(`/proc/${pid}`)) removeUser(username)
  }
}

function removeUser(username: string): void {
  execFileSync('userdel', ['--force', username], { stdio: 'ignore' })
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGTERM')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilListening(port: number, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100 && server.exitCode === null; tries += 1) {
    const opened = await new Promise<boolean>((resolve) => {
      const socket: Socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (opened) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`sshd does not listen on port ${port}`)
}
