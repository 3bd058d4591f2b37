import { createServer, type Server as NetServer } from 'node:net'
import type { AuthContext, Connection, ParsedKey, ServerChannel, Session } from 'ssh2'
import { type Command, type CommandOptions, runCommand } from './command.ts'
import { type ForwardTarget, forward } from './forward.ts'
import { parseKey, Server } from './ssh2.ts'

export interface SshServerOptions extends CommandOptions {
  /** The server's own private key. */
  readonly hostKey: string
  /**
   * Whose key opens the door now, as in `authorized_keys`; whatever the user name, the door leads to the user that this
   * process runs as.
   */
  readonly authorizedKey: () => string
}

/** An SSH server for one key: commands, and connections to ports and Unix sockets. Not listening yet. */
export function createSshServer(options: SshServerOptions): NetServer {
  const server = new Server({ hostKeys: [options.hostKey] }, (connection) => serve(connection, options))
  // Answers are many small packets, which Nagle's algorithm would hold back.
  return createServer({ noDelay: true }, (socket) => server.injectSocket(socket))
}

function serve(connection: Connection, options: SshServerOptions): void {
  /** What the end of the connection takes with it. */
  const open = new Set<() => void>()
  const openForward = (target: ForwardTarget, accept: () => ServerChannel, reject: () => void): void => {
    const socket = forward(target, accept, reject)
    const end = (): void => void socket.destroy()
    open.add(end)
    socket.once('close', () => open.delete(end))
  }

  connection.on('error', () => {})
  connection.on('close', () => {
    for (const end of open) end()
  })
  connection.on('authentication', (request) =>
    isAuthorized(request, options.authorizedKey) ? request.accept() : request.reject(['publickey']),
  )
  connection.on('session', (accept) => serveSession(accept(), options, open))
  connection.on('tcpip', (accept, reject, { destIP: host, destPort: port }) =>
    openForward({ host, port }, accept, reject),
  )
  connection.on('openssh.streamlocal', (accept, reject, { socketPath: path }) => openForward({ path }, accept, reject))
}

function isAuthorized(request: AuthContext, authorizedKey: () => string): boolean {
  if (request.method !== 'publickey') return false
  const authorized = readKey(authorizedKey)
  if (authorized === undefined || !request.key.data.equals(authorized.getPublicSSH())) return false
  // Without a signature the client only asks whether the key would do.
  if (request.signature === undefined || request.blob === undefined) return true
  return authorized.verify(request.blob, request.signature, request.hashAlgo) === true
}

/** Where the key cannot be read nobody is let in. */
function readKey(authorizedKey: () => string): ParsedKey | undefined {
  try {
    const key = parseKey(authorizedKey())
    return key instanceof Error ? undefined : key
  } catch {
    return undefined
  }
}

function serveSession(session: Session, options: CommandOptions, open: Set<() => void>): void {
  let command: Command | undefined
  const hangUp = (): void => command?.hangUp()
  open.add(hangUp)
  session.on('close', () => {
    hangUp()
    open.delete(hangUp)
  })
  // ssh2 1.17 refuses signals once the client has ended its input, which it mostly does at once.
  session.on('eof', () => Object.assign(session, { _ending: false }))
  session.on('exec', (accept, _reject, { command: text }) => {
    command = runCommand(accept(), text, options)
  })
  session.on('signal', (_accept, _reject, { name }) => command?.signal(name))
}
