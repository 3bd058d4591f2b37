/**
 * What we need of ssh2's client and its interface does not offer. The version is pinned exactly; the tests beside this
 * file fail when an upgrade moves any of it.
 *
 * @module
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Client, ClientChannel } from 'ssh2'

interface ClientInternals {
  readonly _protocol: {
    readonly _cipher: { _encKey?: Buffer | KeyObject }
    readonly _decipher: { _decipherKey?: Buffer | KeyObject }
    ping(): void
    signal(remoteChannel: number, name: string): void
  }
  /** Answers to global requests, in order. Replaced and called with an error when the socket closes. */
  readonly _callbacks: (() => void)[]
  readonly _chanMgr: { readonly _channels: Readonly<Record<string, ChannelInternals | (() => void)>> }
}

interface ChannelInternals {
  readonly type: string
  readonly subtype: string | undefined
  readonly incoming: { readonly state: 'open' | 'eof' | 'closed' }
  readonly outgoing: { readonly id: number; readonly state: 'open' | 'eof' | 'closing' | 'closed' }
  readonly _callbacks: readonly unknown[]
  close(): void
}

const insidesOf = (client: Client): ClientInternals => client as unknown as ClientInternals
const channelInsides = (channel: ClientChannel): ChannelInternals => channel as unknown as ChannelInternals

/**
 * Sends `keepalive@openssh.com`; calls `onAnswer` once the machine answered, whatever it said, or the socket closed.
 */
export function ping(client: Client, onAnswer: () => void): void {
  insidesOf(client)._callbacks.push(onAnswer)
  insidesOf(client)._protocol.ping()
}

/**
 * Sends a signal to a channel's command. `ClientChannel.signal` does nothing once standard input was closed. Throws
 * when no such signal exists.
 */
export function sendSignal(client: Client, channel: ClientChannel, name: string): void {
  const { id, state } = channelInsides(channel).outgoing
  if (state === 'open' || state === 'eof') insidesOf(client)._protocol.signal(id, name)
}

/** True once the machine has closed the channel: nothing more can come on it. */
export function closedByMachine(channel: ClientChannel): boolean {
  return channelInsides(channel).incoming.state === 'closed'
}

/** Closes channels that the machine opened and then refused to start a command on: `Client.exec` forgets them. */
export function closeUnusedChannels(client: Client): void {
  for (const channel of Object.values(insidesOf(client)._chanMgr._channels)) {
    if (
      typeof channel !== 'function' &&
      channel.type === 'session' &&
      channel.subtype === undefined &&
      channel._callbacks.length === 0
    ) {
      channel.close()
    }
  }
}

/**
 * After each key exchange: gives AES-GCM, which is set up anew for each packet, its keys in the form that it is set up
 * from fastest. With plain buffers Node 24 takes 14 µs for each packet instead of 4, which is a fifth of all that a
 * short command costs us.
 */
export function prepareKeys(client: Client): void {
  const { _cipher, _decipher } = insidesOf(client)._protocol
  if (Buffer.isBuffer(_cipher._encKey)) _cipher._encKey = createSecretKey(_cipher._encKey)
  if (Buffer.isBuffer(_decipher._decipherKey)) _decipher._decipherKey = createSecretKey(_decipher._decipherKey)
}
