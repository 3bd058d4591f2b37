/**
 * The connector for instances with an SSH server, and the keys that it needs.
 *
 * @module
 */

export { type Address, parseAddress } from './address.ts'
export { type DialTcp, dialTcp } from './dial-tcp.ts'
export { parseHostKey } from './host-keys.ts'
/** The key that machines are reached with. */
export { fleetKeyPair, newKeyPair, publicKeyOf } from './key-pair.ts'
export { createSshConnector, type SshConnectorOptions } from './ssh-connector.ts'
