import { Duplex } from 'node:stream'
import type { Link } from '../machine/channel.ts'
import type { WorldProcess } from '../world-process.ts'

/** A byte stream from a process to a machine, within a connection: what a dial over SSH gives. */
export interface DialledStream {
  /** The process's end. */
  readonly near: Duplex
  /** The machine's. */
  readonly far: Duplex
  /** The connection has ended: the process hears that, the machine with its link. */
  cut(): void
}

/**
 * What the process sends are effects of it; what the machine sends reaches the process as long as both know each other.
 */
export function dialledStream(process: WorldProcess, link: Link, machine: string): DialledStream {
  let isCut = false
  let hasEnded = false
  /** As a tunnel over SSH ends: what came before is still to be read. */
  const endNear = (): void =>
    process.deliver(() => {
      if (near.destroyed) return
      if (near.readableEnded) near.destroy()
      else near.once('end', () => near.destroy())
      if (!hasEnded) near.push(null)
      hasEnded = true
    })
  const isHeard = (): boolean => !isCut && link.isOpen
  const near: Duplex = new Duplex({
    allowHalfOpen: true,
    read() {},
    writev(pieces: readonly { readonly chunk: Buffer }[], done) {
      const bytes = Buffer.concat(pieces.map(({ chunk }) => chunk))
      const send = async (): Promise<void> => {
        if (isHeard() && !far.destroyed) far.push(bytes)
      }
      process.effect('connection', `${nameOf(bytes)} to the Engine of ${machine}`, send).then(() => done(), done)
    },
    final(done) {
      const end = async (): Promise<void> => {
        if (isHeard() && !far.destroyed) far.push(null)
      }
      process.effect('connection', `the end of a stream to the Engine of ${machine}`, end).then(() => done(), done)
    },
    destroy(error, done) {
      if (isHeard() && process.isAlive) far.destroy()
      done(error)
    },
  })
  const far: Duplex = new Duplex({
    allowHalfOpen: true,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (isHeard())
        process.deliver(() => {
          if (!near.destroyed && !hasEnded) near.push(chunk)
        })
      done()
    },
    final(done) {
      if (isHeard())
        process.deliver(() => {
          if (!near.destroyed && !hasEnded) near.push(null)
          hasEnded = true
        })
      done()
    },
    destroy(error, done) {
      if (isHeard()) endNear()
      done(error)
    },
  })
  near.on('error', () => {})
  far.on('error', () => {})
  link.onClose(() => {
    isCut = true
    far.destroy()
  })
  return {
    near,
    far,
    cut() {
      isCut = true
      endNear()
    },
  }
}

/** What a request is about, without what is another in each run. */
function nameOf(bytes: Buffer): string {
  const [, method, path = ''] = /^([A-Z]+) (\/\S*)/.exec(bytes.toString('latin1', 0, 300)) ?? []
  if (method === undefined) return `${bytes.length} bytes`
  return `${method} ${path.replace(/\?.*/s, '').replaceAll(/[0-9a-f]{12,}/g, '…')}`
}
