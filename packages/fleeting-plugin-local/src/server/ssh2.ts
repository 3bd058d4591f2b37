import { createRequire } from 'node:module'
import type { Server as SshServer, utils } from 'ssh2'

const require = createRequire(import.meta.url)

/**
 * ssh2's server without the rest of the package, whose client and HTTP agents would cost every instance 20 ms and 5 MB
 * more.
 */
export const Server: typeof SshServer = require('ssh2/lib/server.js')
export const parseKey: typeof utils.parseKey = require('ssh2/lib/protocol/keyParser.js').parseKey
const generateKeyPairSync: typeof utils.generateKeyPairSync = require('ssh2/lib/keygen.js').generateKeyPairSync

/**
 * A new ed25519 host key. Of those that ssh2 1.17 makes one in about 200 cannot be read, since it drops leading zeros.
 */
export function newHostKey(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = generateKeyPairSync('ed25519')
    if (!(parseKey(pair.private) instanceof Error)) return pair
  }
}
