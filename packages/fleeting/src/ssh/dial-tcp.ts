import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from './address.ts'

/**
 * Opens a byte stream to an address; rejects with the signal's reason when it aborts first, and then leaves nothing
 * open.
 */
export type DialTcp = (address: Address, signal: AbortSignal) => Promise<Duplex>

/** Dials from this machine. */
export const dialTcp: DialTcp = ({ host, port }, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket = connect({ host, port })
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
    }
    const onAbort = (): void => {
      settle()
      socket.destroy()
      reject(signal.reason)
    }
    const onError = (error: Error): void => {
      settle()
      reject(error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', () => {
      settle()
      resolve(socket)
    })
  })
