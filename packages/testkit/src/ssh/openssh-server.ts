import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { newKeyPair } from '@runner-core/fleeting/ssh'

export interface SshdOptions {
  /** Where it listens, 16 at most, all at the same port: loopback only. Default 127.0.0.1. */
  readonly addresses?: readonly string[]
  /** Default: a free one of 127.0.0.1. */
  readonly port?: number
  /** Default 10, as in a stock `sshd_config`. */
  readonly maxSessions?: number
  /** Default `10:30:100`, as in a stock `sshd_config`. */
  readonly maxStartups?: string
  /**
   * Who logs in. Default: the current user. Another user needs root; it is created, without shell start-up files, when
   * it does not exist, and then removed by `stop`.
   */
  readonly user?: string
  /** Public keys that are let in besides the server's own, as in `authorized_keys`. */
  readonly authorizedKeys?: readonly string[]
  /** More lines for `sshd_config`. */
  readonly config?: readonly string[]
}

/** A real OpenSSH server on loopback, which lets one key in. */
export interface Sshd {
  readonly port: number
  /** As in `known_hosts` after the host's name: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
  /** Lets `username` in. */
  readonly privateKey: string
  readonly username: string
  /** Process ids of the server's processes that serve connections, not of the commands. Linux only. */
  connectionPids(): number[]
  /** Ends the server, its connections, and removes what was created. */
  stop(): Promise<void>
}

const executable = '/usr/sbin/sshd'

/** Why no server can be started here; undefined when one can. */
export function sshdMissing(): string | undefined {
  return existsSync(executable) ? undefined : `OpenSSH's server is not installed (${executable})`
}

/** Starts a server with a stock-like configuration, keys of its own, and resolves when it listens. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const me = userInfo().username
  const username = options.user ?? me
  const created = username !== me && ensureUser(username)
  const directory = mkdtempSync(join(tmpdir(), 'sshd-'))
  chmodSync(directory, 0o755)
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })

  const host = await newKeyPair()
  const login = await newKeyPair()
  writeFileSync(join(directory, 'host_key'), host.privateKey, { mode: 0o600 })
  writeFileSync(
    join(directory, 'authorized_keys'),
    [login.publicKey, ...(options.authorizedKeys ?? []), ''].join('\n'),
    { mode: 0o644 },
  )

  const cleanUp = (): void => {
    rmSync(directory, { recursive: true, force: true })
    if (created) execFileSync('userdel', ['--force', '--remove', username], { stdio: 'ignore' })
  }
  try {
    const port = options.port ?? (await freePort())
    writeFileSync(
      join(directory, 'sshd_config'),
      [
        ...(options.config ?? []),
        `Port ${port}`,
        ...(options.addresses ?? ['127.0.0.1']).map((address) => `ListenAddress ${address}`),
        `HostKey ${join(directory, 'host_key')}`,
        `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
        'PidFile none',
        'StrictModes no',
        'UsePAM no',
        'PermitRootLogin prohibit-password',
        'PasswordAuthentication no',
        // Taken for a nested shell, bash does not read `.bashrc`, which may cost more than everything that is tested or
        // measured.
        'SetEnv SHLVL=1',
        `MaxStartups ${options.maxStartups ?? '10:30:100'}`,
        `MaxSessions ${options.maxSessions ?? 10}`,
        '',
      ].join('\n'),
    )
    const { watchdog, pid } = await listening(join(directory, 'sshd_config'))
    return {
      port,
      hostKey: host.publicKey,
      privateKey: login.privateKey,
      username,
      connectionPids: () => familyOf(pid).filter(isSshd),
      async stop() {
        const ended = new Promise((resolve) => watchdog.once('exit', resolve))
        const family = familyOf(pid)
        watchdog.stdin!.end()
        await ended
        for (const member of family) killIfThere(member)
        cleanUp()
      },
    }
  } catch (error) {
    cleanUp()
    throw error
  }
}

function ensureUser(name: string): boolean {
  try {
    execFileSync('id', [name], { stdio: 'ignore' })
    return false
  } catch {
    execFileSync('useradd', ['--create-home', '--skel', '/dev/null', '--shell', '/bin/bash', '--password', '*', name])
    return true
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address() as { port: number }
      probe.close(() => resolve(address.port))
    })
  })
}

/** Starts the server under a shell that ends it when this process ends, however it does. */
function listening(config: string): Promise<{ readonly watchdog: ChildProcess; readonly pid: number }> {
  const script =
    'exec 3<&0; "$0" -D -e -f "$1" 3<&- & server=$!; echo $server; { read -r line; kill $server; } <&3 & wait $server'
  const watchdog = spawn('/bin/sh', ['-c', script, executable, config], { stdio: 'pipe' })
  return new Promise((resolve, reject) => {
    let pid = ''
    let log = ''
    watchdog.stdout.setEncoding('utf8').on('data', (text: string) => {
      pid += text
    })
    watchdog.stderr.setEncoding('utf8').on('data', (text: string) => {
      // Read on for ever, so that the pipe never fills.
      if (log.length < 65_536) log += text
      if (log.includes('Server listening')) resolve({ watchdog, pid: Number(pid) })
    })
    watchdog.once('error', reject)
    watchdog.once('exit', () => {
      watchdog.stdin.end()
      reject(new Error(`sshd ended: ${log}`))
    })
  })
}

/** Children, their children, and so on (Linux). */
function familyOf(parent: number): number[] {
  const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === parent)
  return children.flatMap((child) => [Number(child), ...familyOf(Number(child))])
}

function parentOf(pid: string): number | undefined {
  const { fields } = processStatus(pid)
  return fields === undefined ? undefined : Number(fields.split(' ')[1])
}

/**
 * True for the listener's processes, which are two per connection where privileges are separated; false for commands.
 */
function isSshd(pid: number): boolean {
  return processStatus(String(pid)).name?.startsWith('sshd') ?? false
}

function processStatus(pid: string): { readonly name?: string; readonly fields?: string } {
  try {
    // The name, in parentheses, may hold anything; the fields after it are plain.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const end = stat.lastIndexOf(')')
    return { name: stat.slice(stat.indexOf('(') + 1, end), fields: stat.slice(end + 2) }
  } catch {
    return {}
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
