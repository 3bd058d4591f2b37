import { generateKeyPairSync } from 'node:crypto'
import { Duplex } from 'node:stream'
import ssh2, { type AuthContext, type ServerChannel, type Connection as ServerConnection, type Session } from 'ssh2'
import { openSshKeyPair } from '../src/ssh/ed25519.ts'
import type { DialTcp } from '../src/ssh/index.ts'

export interface MemorySshServerOptions {
  /** Private keys. Default: a new ed25519 one. */
  readonly hostKeys?: readonly string[]
  /** Answers whether, perhaps later, to let somebody in. Default: always. */
  readonly authenticate?: (context: AuthContext) => boolean | Promise<boolean>
  /** Default: exit code 0 at once. */
  readonly exec?: (command: string, channel: ServerChannel, session: Session) => void
  /** Serves a tunnel. Default: none is opened. */
  readonly forward?: (channel: ServerChannel) => void
  /** Whether to start a command at all. Default: yes. */
  readonly accepts?: (command: string) => boolean
}

/** An SSH server within the process, reached through memory: nothing of it depends on time. */
export class MemorySshServer {
  readonly #server: ssh2.Server
  readonly #log: string[] = []
  readonly #sockets = new Set<{ readonly near: Duplex; readonly far: Duplex }>()
  /** Its first host key, as in `authorized_keys`. */
  readonly hostKey: string
  dials = 0
  /** Sessions that the client has not closed. */
  openChannels = 0
  /** Connections that are not logged in yet, now and at most. */
  pending = 0
  maxPending = 0

  constructor(options: MemorySshServerOptions = {}) {
    const hostKeys = options.hostKeys ?? [newKey().privateKey]
    this.hostKey = publicKeyOf(hostKeys[0]!)
    this.#server = new ssh2.Server(
      { hostKeys: [...hostKeys], debug: (line: string) => this.#log.push(line) },
      (client) => this.#serve(client, options),
    )
  }

  /** Connections that neither side has closed. */
  get openSockets(): number {
    return [...this.#sockets].filter(({ near, far }) => !near.destroyed && !far.destroyed).length
  }

  /** How many requests of this kind arrived, such as `keepalive@openssh.com` or `signal: TERM`. */
  received(request: string): number {
    return this.#log.filter((line) => line.includes('Inbound: ') && line.includes(request)).length
  }

  readonly dialTcp: DialTcp = async () => {
    this.dials += 1
    const [near, far] = memorySockets()
    this.#sockets.add({ near, far })
    this.#server.injectSocket(far as never)
    return near
  }

  /** Reads nothing any more, and so answers nothing. */
  freeze(): void {
    for (const { far } of this.#sockets) far.pause()
  }

  /** Goes on where it was. */
  thaw(): void {
    for (const { far } of this.#sockets) far.resume()
  }

  /** The network breaks. */
  cut(): void {
    for (const { near } of this.#sockets) near.destroy(new Error('read ECONNRESET'))
  }

  #serve(client: ServerConnection, options: MemorySshServerOptions): void {
    this.pending += 1
    this.maxPending = Math.max(this.maxPending, this.pending)
    let loggedIn = false
    const noMorePending = (): void => {
      if (!loggedIn) this.pending -= 1
      loggedIn = true
    }
    client.on('authentication', (context) => {
      if (context.method === 'none') return context.reject()
      void Promise.resolve(options.authenticate?.(context) ?? true).then((welcome) =>
        welcome ? context.accept() : context.reject(),
      )
    })
    client.on('ready', noMorePending)
    client.on('close', noMorePending)
    client.on('error', () => {})
    client.on('tcpip', (accept, reject) => {
      if (options.forward === undefined) reject()
      else options.forward(accept())
    })
    client.on('session', (accept) => {
      const session = accept()
      this.openChannels += 1
      session.on('close', () => {
        this.openChannels -= 1
      })
      session.on('exec', (start, refuse, { command }) => {
        if (options.accepts?.(command) === false) return refuse()
        const channel = start()
        channel.on('error', () => {})
        if (options.exec === undefined) finish(channel, 0)
        else options.exec(command, channel, session)
      })
    })
  }
}

/** Ends a command with an exit code. */
export function finish(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}

export function newKey(): { readonly privateKey: string; readonly publicKey: string } {
  return openSshKeyPair(generateKeyPairSync('ed25519').privateKey)
}

function publicKeyOf(privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey) as ssh2.ParsedKey
  return `${key.type} ${key.getPublicSSH().toString('base64')}`
}

/** Resolves once `condition` holds, as soon as the event loop has brought it about. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`never came true: ${condition.toString()}`)
}

/** Resolves when what is under way in memory has arrived and was answered. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Something to wait for until the test opens it. */
export function newGate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/**
 * Two ends of a connection. What is written arrives in a later turn of the event loop, as with sockets: ssh2 is not
 * made for less.
 */
export function memorySockets(): [Duplex, Duplex] {
  const [near, far] = [new MemorySocket(), new MemorySocket()]
  near.peer = far
  far.peer = near
  return [near, far]
}

class MemorySocket extends Duplex {
  peer!: MemorySocket
  #onRead: (() => void) | undefined

  constructor() {
    super({ allowHalfOpen: false })
    this.on('error', () => {})
  }

  override _read(): void {
    const onRead = this.#onRead
    this.#onRead = undefined
    onRead?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    setImmediate(() => {
      if (this.peer.readableEnded || this.peer.destroyed || this.peer.push(chunk)) done()
      else this.peer.#onRead = done
    })
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.peer.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    setImmediate(() => this.peer.push(null))
    done(error)
  }
}
